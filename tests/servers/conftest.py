"""Servers of several processes, each ended by its own handle."""

import pytest
from running import Running


@pytest.fixture
def start(server, key, tmp_path, monkeypatch):
    """Start a program under `opentelemetry-instrument`, with a good key."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    running = []

    def started(*command, instrument=True, **environment):
        folder = tmp_path / f"run-{len(running)}"
        folder.mkdir()
        wrapped = ["opentelemetry-instrument", *command] if instrument else list(command)
        made = Running(
            wrapped,
            {"TOGETHER_API_KEY": key, "TOGETHER_BASE_URL": server.url, **environment},
            folder,
        )
        running.append(made)
        return made

    yield started
    for one in running:
        one.stop()
