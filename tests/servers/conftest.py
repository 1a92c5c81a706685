"""Servers of several processes, each ended by its own handle."""

import pytest
from running import Running

from together_otel.testing.server import TogetherServer


@pytest.fixture
def key():
    """A key of Together's shape that nobody owns."""
    return "tgp_" + "v1_" + "a1B2" * 10 + "xyz"


@pytest.fixture
def together(key):
    """Together, accepting one key."""
    with TogetherServer(keys=[key]) as running:
        yield running


@pytest.fixture
def start(together, key, tmp_path, monkeypatch):
    """Start a program under `opentelemetry-instrument`, with a good key."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    running = []

    def started(*command, instrument=True, **environment):
        folder = tmp_path / f"run-{len(running)}"
        folder.mkdir()
        wrapped = ["opentelemetry-instrument", *command] if instrument else list(command)
        made = Running(
            wrapped,
            {"TOGETHER_API_KEY": key, "TOGETHER_BASE_URL": together.url, **environment},
            folder,
        )
        running.append(made)
        return made

    yield started
    for one in running:
        one.stop()
