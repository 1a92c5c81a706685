"""What all tests share: no key of the machine's own, no error of ours swallowed."""

from __future__ import annotations

import atexit
import gc
import os
import tempfile
from pathlib import Path

import certifi
import pytest

from together_otel.guard import Guard

os.environ.setdefault("TOGETHER_NO_BANNER", "1")  # 1.5 prints one on import


def pytest_configure():
    """Let clients trust one authority instead of all: each reads its list of them anew."""
    end = "-----END CERTIFICATE-----\n"
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(certifi.contents().partition(end)[0] + end)
    atexit.register(Path(file.name).unlink)
    os.environ["SSL_CERT_FILE"] = file.name


@pytest.fixture(autouse=True, scope="module")
def imported_by_now():
    """Keep what a file's tests leave behind, modules above all, out of later garbage collections."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """Take away every variable that an SDK, or we, would read."""
    for name in list(os.environ):
        if "TOGETHER" in name and name != "TOGETHER_NO_BANNER":
            monkeypatch.delenv(name)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(autouse=True)
def our_errors_raise(monkeypatch):
    """Let an error of the instrumentation fail the test instead of being swallowed."""
    monkeypatch.setattr(Guard, "raising", True)
