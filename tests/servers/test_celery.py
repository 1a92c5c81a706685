"""Celery's pool of forked processes, all in one scrape."""

import pytest
from celery import Celery
from running import get, successes, total

from together_otel.testing.ports import free_port


@pytest.mark.slow
def test_all_tasks_of_all_processes(start, tmp_path):
    """200 tasks over 4 processes, one killed and replaced: the scrape has 200 and never fell."""
    broker, metrics, scrape_port = tmp_path / "broker", tmp_path / "metrics", free_port()
    broker.mkdir()
    worker = start(
        "celery", "--app", "tasks", "worker", "--pool", "prefork", "--concurrency", "4",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
        BROKER=str(broker),
        PROMETHEUS_MULTIPROC_DIR=str(metrics),
        TOGETHER_OTEL_PROMETHEUS_PORT=str(scrape_port),
    )  # fmt: skip
    counted = [0.0]

    def reaches(number):
        counted.append(successes(get(scrape_port, "/metrics")))
        return counted[-1] == number

    def processes():
        return {path.name for path in metrics.glob("counter_*.db")}

    with Celery("tasks", broker="filesystem://") as sender:
        sender.conf.broker_transport_options = dict.fromkeys(
            ("data_folder_in", "data_folder_out", "control_folder"), str(broker)
        )
        for _ in range(100):
            sender.send_task("tasks.ask")
        worker.until(lambda: reaches(100))
        before = processes()
        sender.send_task("tasks.die")
        worker.until(lambda: processes() - before)
        for _ in range(100):
            sender.send_task("tasks.ask")
        worker.until(lambda: reaches(200))

    assert counted == sorted(counted)
    scrape = get(scrape_port, "/metrics")
    assert total(scrape, "gen_ai_client_inference_duration_seconds_count") == 200
    assert "exited with 'signal 9 (SIGKILL)'" in worker.output()
    assert worker.stop() == 0
