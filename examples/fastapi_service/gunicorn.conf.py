"""How gunicorn serves the application, and where its workers count."""

import os
import shutil
from typing import Any

from gunicorn.glogging import CONFIG_DEFAULTS

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "uvicorn_worker.UvicornWorker"
wsgi_app = "app:app"
# Kubernetes waits 30 s after SIGTERM; answers that have begun are finished within that.
graceful_timeout = 25
# Sets the root logger up, by which together_otel tells of keys; gunicorn's own lines stay its own.
logconfig_dict = {
    "loggers": {
        name: {**logger, "propagate": False} for name, logger in CONFIG_DEFAULTS["loggers"].items()
    }
}


def on_exit(_server: Any) -> None:
    """Remove what the workers counted in: the next start is to find nothing there."""
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
