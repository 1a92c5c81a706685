"""One stable port: who serves it, who takes it over, and what happens when it is not to be had."""

import os
import signal
import socket

import pytest
from running import eventually, get, successes

from together_otel.testing.ports import free_port


@pytest.fixture
def stranger():
    """A port of this machine that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def called(family):
    """Return the processes that have made their calls."""
    lines = (line.split() for line in family.output().splitlines())
    return [int(words[1]) for words in lines if words[0] == "called"]


def test_another_takes_over(start, tmp_path):
    """Who serves the port is killed, and who follows it, to the last: the scrape keeps it all.

    That it takes no more than two seconds is held by `tests/test_scrape.py`.
    """
    port = free_port()
    family = start(
        "python", "family.py", "3", "5",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(port),
    )  # fmt: skip
    family.until(lambda: len(called(family)) == 4 and get(port, "/metrics"))
    assert successes(get(port, "/metrics")) == 20

    # The first is its parent, which had the port before there were others.
    family.process.kill()
    family.process.wait()
    for child in called(family):
        if child != family.process.pid:
            eventually(lambda: successes(get(port, "/metrics")) == 20)
            os.kill(child, signal.SIGKILL)
    eventually(lambda: get(port, "/metrics") is None)
    assert "cannot be served" not in family.output()


@pytest.mark.parametrize("others", [0, 2], ids=["one process", "three processes"])
def test_port_of_a_stranger(others, start, stranger, tmp_path):
    """One warning; all else works, other instrumentations too; and it is served when it is free."""
    port = stranger.getsockname()[1]
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")} if others else {}
    family = start(
        "python", "family.py", str(others), "1", TOGETHER_OTEL_PROMETHEUS_PORT=str(port), **shared
    )
    family.until(lambda: len(called(family)) == 1 + others)
    family.until(lambda: "cannot be served" in family.output())
    stranger.close()
    family.until(lambda: get(port, "/metrics"))

    assert successes(get(port, "/metrics")) == 1 + others
    assert "httpx is instrumented: True" in family.output()
    (warning,) = (
        line for line in family.output().splitlines() if not line.startswith(("httpx", "called"))
    )
    assert f"/metrics cannot be served on 127.0.0.1 port {port} (" in warning
    assert family.finish() == 0


def test_two_services_share_a_folder(start, tmp_path):
    """Each has its own port; what they count is one, as prometheus_client has no way to tell."""
    folder, ports = str(tmp_path / "metrics"), [free_port(), free_port()]
    for port in ports:
        service = start(
            "python", "family.py", "1", "1",
            PROMETHEUS_MULTIPROC_DIR=folder, TOGETHER_OTEL_PROMETHEUS_PORT=str(port),
        )  # fmt: skip
        service.until(lambda: len(called(service)) == 2 and get(port, "/metrics"))  # noqa: B023 - called here
    assert [successes(get(port, "/metrics")) for port in ports] == [4, 4]
