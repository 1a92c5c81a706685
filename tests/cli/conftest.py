"""An environment without anything of telemetry's."""

import json
import os

import pytest
from examining import Found, set_all
from processes import PATIENCE

from together_otel.cli import main
from together_otel.cli.doctor import endpoint, trial

_OURS = ("OTEL_", "PROMETHEUS_", "WEB_CONCURRENCY", "UVICORN_", "GUNICORN_", "KUBERNETES_")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Take away what the machine says of telemetry and of servers."""
    for name in list(os.environ):
        if name.upper().startswith(_OURS):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let the doctor wait as long as a busy machine may need."""
    monkeypatch.setattr(endpoint, "LIMIT", PATIENCE)
    monkeypatch.setattr(trial, "LIMIT", PATIENCE)


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Ask the doctor, with variables, which stay."""

    def asked(*arguments, **variables):
        set_all(monkeypatch, variables)
        code = main(["doctor", "--json", *arguments])
        return Found(code, json.loads(capsys.readouterr().out))

    return asked
