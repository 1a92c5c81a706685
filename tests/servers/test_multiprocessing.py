"""multiprocessing's children, which end by `os._exit`: nothing of what they counted is lost."""

import pytest
from running import get, samples, successes, total

from together_otel.testing.ports import free_port


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_all_calls_of_a_pool(method, start, tmp_path):
    """200 calls over 4 processes, scraped when all of them have ended."""
    scrape_port = free_port()
    program = start(
        "python", "pools.py", method,
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    program.until(lambda: "done by 4" in program.output())
    program.until(lambda: get(scrape_port, "/metrics"))

    scrape = get(scrape_port, "/metrics")
    assert successes(scrape) == 200
    assert total(scrape, "gen_ai_client_inference_duration_seconds_count") == 200
    # When a key was accepted outlives who used it; that somebody uses it does not.
    assert "together_client_key_info" not in samples(scrape)
    assert len(samples(scrape)["together_client_key_last_accepted_timestamp_seconds"]) == 1
    assert program.finish() == 0
