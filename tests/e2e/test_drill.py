"""A fire drill, and the page that it is for, through the real programs."""

import os
import signal
import subprocess
import sys

import pytest
from processes import PATIENCE
from prometheus_binaries import RULES, require

from together_otel.rules import Options, alerts_of
from together_otel.testing.ports import free_port
from together_otel.testing.stack import Stack

JOB = "shop-drill"


@pytest.mark.parametrize("cause", ["revoked", "missing"])
def test_every_alert_that_is_announced_arrives(cause):
    """With the drill's own job; once they are there, Ctrl-C ends it well."""
    require("prometheus")
    require("alertmanager")
    port = free_port()
    announced = alerts_of(Options())
    with (
        subprocess.Popen(
            [
                *(sys.executable, "-m", "together_otel", "drill"),
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
                )
                for name in announced
            }
        finally:
            drill.send_signal(signal.SIGINT)
            said, _ = drill.communicate(timeout=PATIENCE)
    assert drill.returncode == 0, said
    labels = {name: alert["labels"] for name, alert in arrived.items()}
    assert {name: one["severity"] for name, one in labels.items()} == announced
    assert {one["job"] for one in labels.values()} == {JOB}
    for alert in arrived.values():
        assert f"Cause: {cause}." in alert["annotations"]["description"]
    assert all(name in said for name in announced)
