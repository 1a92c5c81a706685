"""A client of the openai package, and a server of Together's under Together's own host name."""

from __future__ import annotations

import socket
from importlib.util import find_spec

import pytest
from reaching import ELSEWHERE, TOGETHER, Lab

from together_otel import instrument, uninstrument
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer
from together_otel.testing.telemetry import CapturedTelemetry

collect_ignore = [
    *(
        []
        if find_spec("openai")
        else ["test_openai.py", "test_openai_keys.py", "test_client_drill.py"]
    ),
    *([] if find_spec("langchain_together") else ["test_frameworks.py", "test_missing_keys.py"]),
]


@pytest.fixture(autouse=True)
def no_variables_of_openai(monkeypatch):
    for name in ("ADMIN_KEY", "BASE_URL", "API_BASE", "CUSTOM_HEADERS", "ORG_ID", "PROJECT_ID"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
    for name in ("HF_TOKEN", "TOGETHER_API_BASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def hosts_on_loopback(monkeypatch):
    """Resolve Together's name, and another provider's, to loopback."""
    resolve = socket.getaddrinfo

    def to_loopback(asked, *args, **kwargs):
        name = asked.decode() if isinstance(asked, bytes) else asked
        return resolve("127.0.0.1" if name in (TOGETHER, ELSEWHERE) else asked, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)


@pytest.fixture
def keys():
    return MadeUpKeys()


@pytest.fixture
def key(keys):
    return keys.together()


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


@pytest.fixture(params=["sync", "async"])
def lab(request, server, key):
    made = Lab(server, key, is_async=request.param == "async")
    yield made
    made.close()
