"""Forked processes whose counts no scrape will show: one warning that says what to do."""

import os
import signal

import pytest
from running import eventually, get, successes, total

from together_otel.testing.ports import free_port

OPENTELEMETRY = "This process was forked from one whose metrics OpenTelemetry's Prometheus exporter"
PROMETHEUS = "This process was forked, and what it counts is in its own registry only"


def gunicorn(start, **environment):
    """Start two workers that count nothing yet."""
    port = free_port()
    server = start(
        "gunicorn", "wsgi:app", "--workers", "2", "--bind", f"127.0.0.1:{port}", **environment
    )
    server.until(lambda: get(port, "/pid"))
    return server, port


def count_in_two_processes(port):
    """Make requests until a second process has answered: the first is killed to that end."""
    first = get(port)
    os.kill(int(first or 0), signal.SIGKILL)
    eventually(lambda: get(port) not in (None, first))


def test_opentelemetry_under_a_pull_exporter(start):
    """Nothing is said before something is lost, and then once, with both settings that cure it."""
    exporter_port = free_port()
    server, port = gunicorn(
        start, OTEL_METRICS_EXPORTER="prometheus", OTEL_EXPORTER_PROMETHEUS_PORT=str(exporter_port)
    )
    assert "WARNING" not in server.output()
    assert OPENTELEMETRY not in server.output()

    count_in_two_processes(port)
    (warning,) = (line for line in server.output().splitlines() if OPENTELEMETRY in line)
    assert "PROMETHEUS_MULTIPROC_DIR" in warning
    assert "TOGETHER_OTEL_PROMETHEUS_PORT" in warning
    # It is true.
    scrape = get(exporter_port, "/metrics")
    assert successes(scrape) == 0
    assert total(scrape, "gen_ai_client_inference_duration_seconds_count") == 0


@pytest.mark.parametrize("exporter", ["none", "console"])
def test_opentelemetry_otherwise(exporter, start):
    """Nothing is lost where each process exports by itself, or nobody does."""
    server, port = gunicorn(start, OTEL_METRICS_EXPORTER=exporter)
    count_in_two_processes(port)
    assert "This process was forked" not in server.output()


@pytest.mark.parametrize("served", [False, True], ids=["registry", "port"])
def test_prometheus_client_without_a_folder(served, start):
    """One warning, whether it is the application or this package that serves the registry."""
    scrape_port = free_port()
    server, port = gunicorn(
        start,
        TOGETHER_OTEL_METRICS="prometheus",
        **({"TOGETHER_OTEL_PROMETHEUS_PORT": str(scrape_port)} if served else {}),
    )
    count_in_two_processes(port)
    (warning,) = (line for line in server.output().splitlines() if PROMETHEUS in line)
    assert "PROMETHEUS_MULTIPROC_DIR" in warning
    assert "TOGETHER_OTEL_PROMETHEUS_PORT" in warning
    if served:
        assert successes(get(scrape_port, "/metrics")) == 0


def test_started_process_without_a_folder(start):
    """A worker that uvicorn starts warns, once it counts, that the port shows its master alone."""
    port, scrape_port = free_port(), free_port()
    server = start(
        "uvicorn", "asgi:app", "--workers", "2", "--port", str(port),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    server.until(lambda: get(port, "/pid") and get(scrape_port, "/metrics"))
    server.until(lambda: server.output().count("startup complete") == 2)
    assert "Another process serves" not in server.output()

    pids = {get(port) for _ in range(10)}
    assert server.output().count("Another process serves") == len(pids)
    assert successes(get(scrape_port, "/metrics")) == 0
