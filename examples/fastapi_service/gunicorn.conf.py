"""Configuration of gunicorn and of its workers' metrics."""

import os
import shutil
from typing import Any

from gunicorn.glogging import CONFIG_DEFAULTS

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "uvicorn_worker.UvicornWorker"
wsgi_app = "app:app"
# Kubernetes waits 30 s after SIGTERM; requests in progress are finished within that time.
graceful_timeout = 25
# Configures the root logger, which prints together_otel's log events; gunicorn's own log is unchanged.
logconfig_dict = {
    "loggers": {
        name: {**logger, "propagate": False} for name, logger in CONFIG_DEFAULTS["loggers"].items()
    }
}


def on_exit(_server: Any) -> None:
    """Remove the workers' metric files, so that the next start finds an empty directory."""
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
