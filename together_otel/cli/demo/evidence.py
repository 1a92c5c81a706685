"""What is left of one scenario: what the SDK said, what the telemetry says, and if that is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from together_otel.cli.demo.worker import counted
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
)

if TYPE_CHECKING:
    from together_otel.cli.demo.scenarios import Scenario
    from together_otel.cli.demo.worker import Worker


@dataclass(frozen=True)
class Evidence:
    """One scenario after its process has ended.

    Attributes:
        scenario: what was tried.
        said: class and text of each failure, as the SDK gave them: may hold a key.
        exposition: the last scrape, empty if the process died before one.
        events: attributes of each ``auth_failed`` log record.
        spans: attributes of each span with a cause.
        answered: questions that were answered.
    """

    scenario: Scenario
    said: list[str]
    exposition: str
    events: list[dict[str, Any]]
    spans: list[dict[str, Any]]
    answered: int

    @property
    def scraped(self) -> bool:
        """Whether the process lived long enough to be scraped."""
        return bool(self.exposition)

    @property
    def counts(self) -> dict[str, float]:
        """Failures by cause, those at zero left out: by the counters, else by the log records."""
        if self.scraped:
            found = counted(self.exposition, AUTH_FAILURES, AUTH_CAUSE.replace(".", "_"))
            return {cause: number for cause, number in found.items() if number}
        by_log: dict[str, float] = {}
        for event in self.events:
            by_log[event[AUTH_CAUSE]] = by_log.get(event[AUTH_CAUSE], 0.0) + 1.0
        return by_log

    @property
    def remedy(self) -> str:
        """What the log record says to do about it."""
        return str(self.events[0].get(AUTH_REMEDY, "")) if self.events else ""

    def faults(self) -> list[str]:
        """Return what is not as it should be, as "expected …, came …"."""
        cause = self.scenario.cause
        failures = len(self.said)
        expected = {cause: float(failures)} if cause else {}
        checks: list[tuple[str, object, object]] = [
            ("a failure seen by the application", bool(cause), bool(failures)),
            ("failures by cause", expected, self.counts),
            ("causes in the log", [cause] if cause else [], [e[AUTH_CAUSE] for e in self.events]),
            ("causes on spans", [cause] * failures, [span[AUTH_CAUSE] for span in self.spans]),
            ("a remedy", bool(cause), bool(self.remedy)),
            (
                "a runbook's link",
                [True] * len(self.events),
                [str(event.get(AUTH_RUNBOOK)).endswith(f"#cause-{cause}") for event in self.events],
            ),
        ]
        if self.scraped:
            series = counted(self.exposition, AUTH_FAILURES, AUTH_CAUSE.replace(".", "_"))
            requests = counted(self.exposition, REQUESTS, REQUEST_OUTCOME.replace(".", "_"))
            errors = counted(self.exposition, TELEMETRY_ERRORS, TELEMETRY_STAGE.replace(".", "_"))
            checks += [
                ("a series for every cause", sorted(CAUSES), sorted(series)),
                ("refused requests", failures, requests.get("auth_failure", 0.0)),
                ("accepted requests", self.answered, requests.get("success", 0.0)),
                ("errors of the instrumentation", 0.0, sum(errors.values())),
            ]
        return [
            f"{self.scenario.title}: {what}: expected {wanted}, came {came}"
            for what, wanted, came in checks
            if wanted != came
        ]


def conclude(scenario: Scenario, worker: Worker) -> Evidence:
    """Wait for the answers to all questions, scrape, let the process end, and read it all.

    Raises:
        TimeoutError: when the application does not answer.
    """
    outcomes = worker.wait()
    exposition = worker.scrape()
    worker.finish()
    records = worker.records()
    return Evidence(
        scenario,
        worker.failures,
        exposition,
        [one["attributes"] for one in records if one.get("event_name") == AUTH_FAILED.name],
        [
            one["attributes"]
            for one in records
            if "event_name" not in one and AUTH_CAUSE in one["attributes"]
        ],
        sum(outcome.startswith("answered") for outcome in outcomes),
    )
