"""From a key revoked at the server to the words on a pager, through the real programs."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
from processes import PATIENCE
from prometheus_binaries import RULES, require

from together_otel.cli.demo.evidence import Evidence
from together_otel.cli.drill.processes import Process, isolated, variables_of
from together_otel.cli.drill.runner import Outcome
from together_otel.cli.drill.scenarios import Scenario
from together_otel.names import AUTH_FAILURES, KEY_FINGERPRINT, REQUEST_OUTCOME, REQUESTS, label_of
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer
from together_otel.testing.stack import Stack

JOB = "chat-backend"
PACE = 0.3
"""Seconds between two requests."""


@dataclass(frozen=True)
class Revocation:
    """What is known after a key was revoked while an application used it.

    ``alert`` is the first that came to the webhook, ``refused`` how many failures Prometheus
    counted at the end.
    """

    alert: dict[str, Any]
    notifications: list[dict[str, Any]]
    series: list[dict[str, Any]]
    refused: float
    evidence: Evidence
    telemetry: str
    chatter: str
    keys: MadeUpKeys


@pytest.fixture(scope="module")
def revocation():
    """Serve good traffic until it is scraped, revoke the key, and wait for the page."""
    require("prometheus")
    require("alertmanager")
    keys = MadeUpKeys()
    key = keys.together()
    succeeded = f'{REQUESTS.prometheus}{{{label_of(REQUEST_OUTCOME)}="success"}} > 0'
    with (
        TogetherServer(keys=[key]) as server,
        Process(isolated(JOB, variables_of(server, key))) as process,
        Stack([(JOB, process.address)], [RULES, RULES.with_name("recording.yaml")]) as stack,
    ):
        outcome = Outcome(accepted=1)
        assert process.ask()["failed"] is None
        stack.wait_for(succeeded, timeout=PATIENCE)
        server.revoke(key)
        alert = paged(process, stack, outcome)
        refused = stack.wait_for(
            f'sum({AUTH_FAILURES.prometheus}{{job="{JOB}"}})',
            lambda found: float(found[0]["value"][1]) >= outcome.failed,
            PATIENCE,
        )
        series = stack.query('{job!=""}')
        outcome.samples = process.scrape()
        process.finish()
    return Revocation(
        alert,
        stack.notifications,
        series,
        float(refused[0]["value"][1]),
        Evidence("revoked", Scenario("revoked"), outcome, process.records()),
        "".join(process.output),
        "".join(process.errors),
        keys,
    )


def paged(process, stack, outcome):
    """Make requests until the page of a revoked key comes, and return it."""

    def is_it(alert):
        labels = alert["labels"]
        return (labels["alertname"], labels.get("job")) == ("TogetherAuthFailing", JOB)

    deadline = time.monotonic() + PATIENCE
    while True:
        assert process.ask()["failed"]
        outcome.failed += 1
        try:
            return stack.wait_for_notification(is_it, PACE)
        except TimeoutError:
            if time.monotonic() >= deadline:
                raise


def test_the_page_names_the_cause_the_job_and_what_to_do(revocation):
    """Whoever is woken up reads which service it is, why, and where to go on."""
    alert = revocation.alert
    assert alert["status"] == "firing"
    assert alert["labels"]["job"] == JOB
    assert alert["labels"]["severity"] == "page"
    assert re.fullmatch("[0-9a-f]{8}", alert["labels"][label_of(KEY_FINGERPRINT)])
    told = alert["annotations"]
    assert told["runbook_url"].endswith("/runbook.md#togetherauthfailing")
    words = f"{told['summary']} {told['description']}"
    assert JOB in words
    assert "Cause: revoked." in words
    assert "new key" in words


def test_every_failure_of_the_application_is_counted_once(revocation):
    """By Prometheus, and by the process's own metrics, log and spans."""
    assert revocation.refused == revocation.evidence.outcome.failed > 0
    assert revocation.evidence.faults() == []


def test_no_key_is_in_anything_that_left_the_process(revocation):
    """Neither notifications nor Prometheus nor spans, logs and metrics show any of the key."""
    everywhere = {
        "notifications": json.dumps(revocation.notifications),
        "series": json.dumps(revocation.series),
        "metrics": str(revocation.evidence.outcome.samples),
        "telemetry": revocation.telemetry,
    }
    assert all(everywhere.values())
    assert revocation.keys.shown_in({**everywhere, "standard error": revocation.chatter}) == []
