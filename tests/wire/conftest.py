"""HTTP libraries beside a server under Together's own host name."""

import pytest
from libraries import KINDS, Library
from loopback import resolve_to_loopback

from together_otel.clients import wire

TOGETHER = "api.together.xyz"
ELSEWHERE = "api.example.com"
"""Hosts that are resolved to loopback."""


@pytest.fixture(autouse=True)
def loopback(monkeypatch):
    """Let both hosts be here."""
    resolve_to_loopback(monkeypatch, TOGETHER, ELSEWHERE)


@pytest.fixture(autouse=True)
def own_replacements(monkeypatch):
    """Let what a recovery put in a key's place be forgotten with its test."""
    monkeypatch.setattr(wire, "_SHARED", {})


@pytest.fixture(params=KINDS)
def library(request):
    """Each library that is installed, sync and async."""
    return Library(request.param)


@pytest.fixture
def base(server):
    """Its base URL at Together's host."""
    return server.base_url.replace("127.0.0.1", TOGETHER)


@pytest.fixture
def elsewhere(server):
    """Its base URL at another host."""
    return server.base_url.replace("127.0.0.1", ELSEWHERE)
