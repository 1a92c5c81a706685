"""Evidence of one drill: the SDK's error and the telemetry, and checks of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from together_otel import names
from together_otel.cli.doctor.content import counts
from together_otel.cli.drill.runner import Outcome
from together_otel.cli.drill.scenarios import Scenario


@dataclass(frozen=True)
class Evidence:
    """Evidence of one drill whose process has ended: its result, and its spans and log records."""

    cause: names.Cause
    scenario: Scenario
    outcome: Outcome
    records: Sequence[Mapping[str, Any]]

    def _attributes(self, event: str | None) -> list[dict[str, Any]]:
        """Return the attributes of each log record of an event, or of each span with a cause."""
        return [
            one["attributes"]
            for one in self.records
            if one.get("event_name") == event and names.AUTH_CAUSE in (one.get("attributes") or ())
        ]

    @property
    def counts(self) -> dict[str, float]:
        """Failures by cause in the last scrape, without those at zero."""
        found = counts(self.outcome.samples, names.AUTH_FAILURES, names.AUTH_CAUSE)
        return {cause: number for cause, number in found.items() if number}

    @property
    def remedy(self) -> str:
        """The remedy in the log record."""
        events = self._attributes(names.AUTH_FAILED.name)
        return str(events[0].get(names.AUTH_REMEDY, "")) if events else ""

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
        events, spans = self._attributes(names.AUTH_FAILED.name), self._attributes(None)
        refused = outcome.failed if self.scenario.asks else 0
        requests = counts(samples, names.REQUESTS, names.REQUEST_OUTCOME)
        counted = counts(samples, names.AUTH_FAILURES, names.AUTH_CAUSE)
        errors = counts(samples, names.TELEMETRY_ERRORS, names.TELEMETRY_STAGE)
        runbooks = [str(event.get(names.AUTH_RUNBOOK)).partition("#")[2] for event in events]
        return [f"{cause}: {fault}" for fault in outcome.faults] + different(
            cause,
            ("failures by cause", {cause: outcome.failed}, self.counts),
            ("causes in the log", [cause], [event[names.AUTH_CAUSE] for event in events]),
            ("causes on spans", [cause] * outcome.failed, [one[names.AUTH_CAUSE] for one in spans]),
            ("a remedy", True, bool(self.remedy)),
            ("runbook links", [f"cause-{cause}"], runbooks),
            ("all causes", set(names.CAUSES), set(counted)),
            ("refused requests", refused, requests.get("auth_failure", 0)),
            ("accepted requests", outcome.accepted, requests.get("success", 0)),
            ("own errors", 0, sum(errors.values())),
        )


def different(whose: str, *checks: tuple[str, object, object]) -> list[str]:
    """Return a fault for each check whose expected value is not what was found."""
    return [
        f"{whose}: {what}: expected {wanted}, found {found}"
        for what, wanted, found in checks
        if wanted != found
    ]
