"""Evidence of one drill: the SDK's error and the telemetry, and checks of both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from together_otel.cli.doctor.content import counts
from together_otel.cli.drill.runner import Outcome
from together_otel.cli.drill.scenarios import Scenario
from together_otel.names import (
    AUTH_CAUSE,
    AUTH_FAILED,
    AUTH_FAILURES,
    AUTH_REMEDY,
    AUTH_RUNBOOK,
    CAUSES,
    REQUEST_OUTCOME,
    REQUESTS,
    TELEMETRY_ERRORS,
    TELEMETRY_STAGE,
    Cause,
)


@dataclass(frozen=True)
class Evidence:
    """Evidence of one drill whose process has ended.

    Attributes:
        cause: the expected cause.
        scenario: the drill's scenario.
        outcome: the drill's result.
        events: attributes of each ``auth_failed`` log record.
        spans: attributes of each span with a cause.
    """

    cause: Cause
    scenario: Scenario
    outcome: Outcome
    events: list[dict[str, Any]]
    spans: list[dict[str, Any]]

    @property
    def counts(self) -> dict[str, float]:
        """Failures by cause in the last scrape, without those at zero."""
        found = counts(self.outcome.samples, AUTH_FAILURES, AUTH_CAUSE)
        return {cause: number for cause, number in found.items() if number}

    @property
    def remedy(self) -> str:
        """The remedy in the log record."""
        return str(self.events[0].get(AUTH_REMEDY, "")) if self.events else ""

    def as_json(self) -> dict[str, object]:
        """Return the evidence as shown in the table."""
        return {
            "cause": self.cause,
            "wrong": self.scenario.title,
            "said": self.outcome.said,
            "counted": self.counts,
            "remedy": self.remedy,
        }

    def faults(self) -> list[str]:
        """Return descriptions of what is wrong."""
        cause, outcome, samples = self.cause, self.outcome, self.outcome.samples
        refused = outcome.failed if self.scenario.asks else 0
        requests = counts(samples, REQUESTS, REQUEST_OUTCOME)
        runbooks = [str(event.get(AUTH_RUNBOOK)).partition("#")[2] for event in self.events]
        checks: list[tuple[str, object, object]] = [
            ("failures by cause", {cause: outcome.failed}, self.counts),
            ("causes in the log", [cause], [event[AUTH_CAUSE] for event in self.events]),
            ("causes on spans", [cause] * outcome.failed, [one[AUTH_CAUSE] for one in self.spans]),
            ("a remedy", True, bool(self.remedy)),
            ("runbook links", [f"cause-{cause}"], runbooks),
            ("all causes", set(CAUSES), set(counts(samples, AUTH_FAILURES, AUTH_CAUSE))),
            ("refused requests", refused, requests.get("auth_failure", 0)),
            ("accepted requests", outcome.accepted, requests.get("success", 0)),
            ("own errors", 0, sum(counts(samples, TELEMETRY_ERRORS, TELEMETRY_STAGE).values())),
        ]
        return [f"{cause}: {fault}" for fault in outcome.faults] + [
            f"{cause}: {what}: expected {wanted}, found {found}"
            for what, wanted, found in checks
            if wanted != found
        ]


def evidence_of(
    cause: Cause, scenario: Scenario, outcome: Outcome, records: Iterable[Mapping[str, Any]]
) -> Evidence:
    """Return the evidence of a drill, given the spans and log records of its process."""
    named = [(one.get("event_name"), one["attributes"]) for one in records if one.get("attributes")]
    return Evidence(
        cause,
        scenario,
        outcome,
        [attributes for name, attributes in named if name == AUTH_FAILED.name],
        [attributes for name, attributes in named if name is None and AUTH_CAUSE in attributes],
    )
