"""What all tests share: no key of the machine's own, no error of ours swallowed."""

import atexit
import gc
import os
import subprocess
import tempfile
from pathlib import Path

import certifi
import pytest
from calling import made_up_key

from together_otel import instrument, uninstrument
from together_otel.guard import Guard
from together_otel.testing.server import TogetherServer
from together_otel.testing.telemetry import CapturedTelemetry

os.environ.setdefault("TOGETHER_NO_BANNER", "1")  # 1.5 prints one on import


def pytest_configure():
    """Let clients trust one authority instead of all: each reads its list of them anew."""
    end = "-----END CERTIFICATE-----\n"
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write(certifi.contents().partition(end)[0] + end)
    atexit.register(Path(file.name).unlink)
    os.environ["SSL_CERT_FILE"] = file.name
    if config := os.environ.get("COVERAGE_PROCESS_CONFIG"):
        _count_in_every_process(config)


def _count_in_every_process(config):
    """Let coverage count in processes whose environment a test makes as well."""
    start = subprocess.Popen.__init__

    def started(self, *args, env=None, **options):
        if env is not None:
            env = {"COVERAGE_PROCESS_CONFIG": config, **env}
        start(self, *args, env=env, **options)

    subprocess.Popen.__init__ = started


@pytest.fixture(autouse=True)
def old_things_are_left_alone():
    """Spare the collector what was there before a test: many call it, and each module is there."""
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


@pytest.fixture
def key():
    """A key of Together's shape that nobody owns."""
    return made_up_key()


@pytest.fixture
def server(key):
    """A server that accepts one key."""
    with TogetherServer(keys=[key]) as running:
        yield running


@pytest.fixture
def telemetry():
    """The instrumentation, on, and what it emits."""
    captured = CapturedTelemetry()
    instrument(tracer_provider=captured.tracer_provider, meter_provider=captured.meter_provider)
    yield captured
    uninstrument()
    captured.shutdown()
