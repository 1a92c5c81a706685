"""Workers that gunicorn forks, or uvicorn starts: all in one scrape, though one is killed."""

import os
import signal

import pytest
from running import alive, ask, eventually, get, samples, total

from together_otel.names import CAUSES
from together_otel.testing.ports import free_port

GUNICORN = {
    "sync": ("wsgi:app", "--worker-class=sync"),
    "gthread": ("wsgi:app", "--worker-class=gthread", "--threads=4"),
    "uvicorn": ("asgi:app", "--worker-class=uvicorn_worker.UvicornWorker"),
}
KINDS = {
    f"gunicorn {kind}{option}": ("gunicorn", "--bind=127.0.0.1:{port}", *given, *option.split())
    for kind, given in GUNICORN.items()
    for option in ("", " --preload")
} | {"uvicorn": ("uvicorn", "--port={port}", "asgi:app")}
QUICK = ("gunicorn sync --preload", "gunicorn gthread", "gunicorn uvicorn", "uvicorn")
STARTED = {"gunicorn": "Booting worker with pid", "uvicorn": "Started server process"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in KINDS]
)
def test_all_requests_of_all_workers(kind, start, tmp_path):
    """200 requests over 4 workers, one killed and replaced: the scrape has 200 and never fell."""
    port, scrape_port = free_port(), free_port()
    program, address, *options = KINDS[kind]
    server = start(
        program, "--workers=4", address.format(port=port), *options,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    server.until(lambda: server.output().count(STARTED[program]) == 4)
    server.until(lambda: get(port, "/pid") and get(scrape_port, "/metrics"))

    before, counted = ask(100, port, scrape_port)
    victim = next(iter(before))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not alive(victim))
    server.until(lambda: server.output().count(STARTED[program]) == 5)
    after, more = ask(100, port, scrape_port)

    scrape = get(scrape_port, "/metrics")
    assert counted + more == list(range(10, 201, 10))
    assert total(scrape, "gen_ai_client_inference_duration_seconds_count") == 200
    assert total(scrape, "together_client_auth_failures_total") == 0
    assert len(samples(scrape)["together_client_auth_failures_total"]) == len(CAUSES)
    assert [value for _, value in samples(scrape)["together_client_key_info"]] == [1]
    assert not [path.name for path in (tmp_path / "metrics").glob(f"gauge_live*_{victim}.db")]
    assert after - {victim}
    assert server.stop() == 0
