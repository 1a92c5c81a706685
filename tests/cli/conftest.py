"""An environment without anything of telemetry's."""

import os

import pytest

_OURS = ("OTEL_", "PROMETHEUS_", "WEB_CONCURRENCY", "UVICORN_", "GUNICORN_", "KUBERNETES_")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Take away what the machine says of telemetry and of servers."""
    for name in list(os.environ):
        if name.upper().startswith(_OURS):
            monkeypatch.delenv(name)
