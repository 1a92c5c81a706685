"""From a revoked key to the page: the last scenario under Prometheus and Alertmanager."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from together_otel.names import AUTH_CAUSE, REQUESTS, label_of
from together_otel.testing.programs import CHECKOUT

if TYPE_CHECKING:
    from together_otel.cli.demo.worker import Worker
    from together_otel.testing.server import TogetherServer
    from together_otel.testing.stack import Stack

RULES = CHECKOUT / "dashboards" / "prometheus" / "alerts.yaml"
"""The alert rules, in a checkout; a wheel does not carry them."""

ALERT = "TogetherKeyRevoked"
"""The rule that is waited for; others may fire for the same failure."""

PACE = 0.3
"""Seconds between two questions while an alert is waited for."""

PATIENCE = 60.0


def serve_until_scraped(worker: Worker, stack: Stack, job: str) -> None:
    """Have questions answered, and wait until Prometheus knows of one.

    Raises:
        TimeoutError: when it does not within a minute.
    """
    worker.ask()
    worker.wait()
    succeeded = f'{REQUESTS.prometheus}{{job="{job}",together_request_outcome="success"}} > 0'
    stack.wait_for(succeeded, timeout=PATIENCE)


def revoke_until_paged(
    worker: Worker, server: TogetherServer, key: str, stack: Stack, job: str
) -> dict[str, Any]:
    """Revoke the key, keep asking, and return the alert that comes of it.

    The rules' own interval, not the stack's, decides how soon that is.

    Raises:
        TimeoutError: when none comes within a minute; tells what Prometheus has.
    """
    server.revoke(key)

    def is_it(alert: dict[str, Any]) -> bool:
        labels = alert["labels"]
        found = (labels["alertname"], labels.get("job"), labels.get(label_of(AUTH_CAUSE)))
        return found == (ALERT, job, "revoked")

    deadline = time.monotonic() + PATIENCE
    while True:
        worker.ask()
        worker.wait()
        try:
            return stack.wait_for_notification(is_it, PACE)
        except TimeoutError:
            if time.monotonic() >= deadline:
                raise
