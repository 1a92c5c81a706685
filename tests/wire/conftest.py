"""HTTP libraries beside a server under Together's own host name."""

from __future__ import annotations

import socket

import pytest
from libraries import KINDS, Library

from together_otel import TogetherInstrumentor
from together_otel.testing import CapturedTelemetry, TogetherServer

TOGETHER = "api.together.xyz"
ELSEWHERE = "api.example.com"
"""Hosts that are resolved to loopback."""


def made_up_key(letter="B"):
    """Return a key of Together's shape that nobody owns."""
    return "tgp_" + "v1_" + f"a1{letter}2" * 10 + "xyz"


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    """Let both hosts be here."""
    resolve = socket.getaddrinfo
    names = {TOGETHER, ELSEWHERE, TOGETHER.encode(), ELSEWHERE.encode()}

    def to_loopback(asked, *args, **kwargs):
        return resolve("127.0.0.1" if asked in names else asked, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)


@pytest.fixture(params=KINDS)
def library(request):
    """Each library that is installed, sync and async."""
    return Library(request.param)


@pytest.fixture
def key():
    return made_up_key()


@pytest.fixture
def server(key):
    """A server that accepts one key."""
    with TogetherServer(keys=[key]) as running:
        yield running


@pytest.fixture
def base(server):
    """Its base URL at Together's host."""
    return server.base_url.replace("127.0.0.1", TOGETHER)


@pytest.fixture
def elsewhere(server):
    """Its base URL at another host."""
    return server.base_url.replace("127.0.0.1", ELSEWHERE)


@pytest.fixture
def telemetry():
    """The instrumentation, on, and what it emits."""
    captured = CapturedTelemetry()
    TogetherInstrumentor().instrument(
        tracer_provider=captured.tracer_provider, meter_provider=captured.meter_provider
    )
    yield captured
    TogetherInstrumentor().uninstrument()
    captured.shutdown()
