"""uvicorn's workers, which are started and not forked, all in one scrape."""

import os
import signal

from running import alive, ask, eventually, get, total

from together_otel.testing.ports import free_port

STARTED = "Started server process"


def test_all_requests_of_all_workers(start, tmp_path):
    """200 requests over 4 workers, one killed and replaced: the scrape has 200 and never fell."""
    port, scrape_port = free_port(), free_port()
    server = start(
        "uvicorn", "asgi:app", "--workers", "4", "--port", str(port),
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    server.until(lambda: server.output().count(STARTED) == 4)
    server.until(lambda: get(port, "/pid") and get(scrape_port, "/metrics"))

    before, counted = ask(100, port, scrape_port)
    victim = next(iter(before))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: not alive(victim))
    server.until(lambda: server.output().count(STARTED) == 5)
    after, more = ask(100, port, scrape_port)

    scrape = get(scrape_port, "/metrics")
    assert counted + more == list(range(10, 201, 10))
    assert total(scrape, "gen_ai_client_inference_duration_seconds_count") == 200
    assert after - {victim}
    assert server.stop() == 0
