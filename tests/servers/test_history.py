"""What is known of keys goes into a forked child; what was counted does not."""

from running import get, samples, successes

from together_otel.names import CAUSES
from together_otel.testing.ports import free_port


def test_revoked_after_the_fork(server, key, start, tmp_path):
    """A key that the parent used and the child may not is revoked, and is so once."""
    server.revoke_after(key, 1)
    port = free_port()
    program = start(
        "python", "revoked.py",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(port),
    )  # fmt: skip
    program.until(lambda: "done" in program.output() and get(port, "/metrics"))

    scrape = get(port, "/metrics")
    failures = samples(scrape)["together_client_auth_failures_total"]
    assert {labels["together_auth_cause"]: value for labels, value in failures} == dict.fromkeys(
        CAUSES, 0
    ) | {"revoked": 1}
    assert successes(scrape) == 1
    assert program.output().count("together.client.auth_failed cause=revoked") == 1
    (accepted,), (refused,) = (
        samples(scrape)[f"together_client_key_last_{what}_timestamp_seconds"]
        for what in ("accepted", "refused")
    )
    assert accepted[0] == refused[0]
    assert accepted[1] < refused[1]
