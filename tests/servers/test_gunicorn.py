"""gunicorn's workers, all in one scrape, though one of them is killed."""

import os
import signal

import pytest
from running import alive, ask, eventually, get, samples, total

from together_otel.names import CAUSES
from together_otel.testing.ports import free_port

KINDS = {
    "sync": ("wsgi:app", "sync"),
    "gthread": ("wsgi:app", "gthread", "--threads", "4"),
    "uvicorn": ("asgi:app", "uvicorn_worker.UvicornWorker"),
}


@pytest.mark.parametrize(
    ("kind", "preload"),
    [
        pytest.param(kind, preload, marks=() if preload == (kind == "sync") else pytest.mark.slow)
        for kind in KINDS
        for preload in (False, True)
    ],
)
def test_all_requests_of_all_workers(kind, preload, start, tmp_path):
    """200 requests over 4 workers, one killed in the middle: the scrape has 200 and never fell."""
    application, worker, *options = KINDS[kind]
    port, scrape_port = free_port(), free_port()
    server = start(
        "gunicorn", application, "--workers", "4", "--worker-class", worker, *options,
        *(["--preload"] if preload else []), "--bind", f"127.0.0.1:{port}",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    server.until(lambda: get(port, "/pid"))
    server.until(lambda: get(scrape_port, "/metrics"))

    before, counted = ask(100, port, scrape_port)
    victim = next(iter(before))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not alive(victim))
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
