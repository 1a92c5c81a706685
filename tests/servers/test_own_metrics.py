"""A service that shows metrics of its own shows ours beside them."""

from running import get, successes, total

from together_otel.testing.ports import free_port


def test_one_process(start):
    """In prometheus_client's default registry."""
    port = free_port()
    service = start("python", "own_metrics.py", str(port), TOGETHER_OTEL_METRICS="prometheus")
    service.until(lambda: get(port, "/pid"))
    assert get(port)

    scrape = get(port, "/metrics")
    assert total(scrape, "orders_total") == successes(scrape) == 1
    assert total(scrape, "python_info") == 1
    assert "This process was forked" not in service.output()


def test_several_processes(start, tmp_path):
    """In a registry with a MultiProcessCollector; and on our port, theirs beside ours."""
    port, scrape_port = free_port(), free_port()
    server = start(
        "gunicorn", "own_metrics:app", "--workers", "2", "--bind", f"127.0.0.1:{port}",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics"),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    server.until(lambda: get(port, "/pid") and get(scrape_port, "/metrics"))
    for _ in range(20):
        assert get(port)

    for scrape in (get(port, "/metrics"), get(scrape_port, "/metrics")):
        assert successes(scrape) == 20
        assert total(scrape, "gen_ai_client_inference_duration_seconds_count") == 20
        assert total(scrape, "orders_total") == 20
