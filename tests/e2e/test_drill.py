"""A fire drill, and the page that it is for, through the real programs."""

import os
import signal
import subprocess
import sys

import pytest
from prometheus_binaries import RULES, require

from together_otel.names import AUTH_CAUSE, label_of
from together_otel.rules import Options, alerts_of
from together_otel.testing.ports import free_port
from together_otel.testing.stack import Stack

JOB = "shop-drill"


@pytest.mark.parametrize(("cause", "asks"), [("revoked", True), ("missing", False)])
def test_every_alert_that_is_announced_arrives(cause, asks):
    """With the drill's own job; once they are there, Ctrl-C ends it well."""
    require("prometheus")
    require("alertmanager")
    port = free_port()
    announced = alerts_of(cause, Options(), asks=asks)
    with (
        subprocess.Popen(
            [
                *(sys.executable, "-m", "together_otel.cli", "drill"),
                *("--cause", cause, "--duration", "10m", "--port", str(port)),
            ],
            env={
                "PATH": os.environ["PATH"],
                "OTEL_METRICS_EXPORTER": "prometheus",
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_SERVICE_NAME": "shop",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as drill,
        Stack([(JOB, f"127.0.0.1:{port}")], [RULES]) as stack,
    ):
        try:
            arrived = {
                name: stack.wait_for_notification(
                    lambda alert, name=name: alert["labels"]["alertname"] == name, 60
                )["labels"]
                for name in announced
            }
        finally:
            drill.send_signal(signal.SIGINT)
            said, _ = drill.communicate(timeout=60)
    assert drill.returncode == 0, said
    assert {name: labels["severity"] for name, labels in arrived.items()} == announced
    assert {labels["job"] for labels in arrived.values()} == {JOB}
    causes = {
        labels[label_of(AUTH_CAUSE)]
        for labels in arrived.values()
        if label_of(AUTH_CAUSE) in labels
    }
    assert causes == {cause}
    assert all(name in said for name in announced)
