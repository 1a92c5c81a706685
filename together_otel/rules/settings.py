"""Options of the rules: thresholds, severities, grouping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["page", "ticket", "none"]
"""``page`` needs action now; ``ticket`` can wait until morning; ``none`` leaves the alert out."""

SEVERITIES: Mapping[str, Severity] = {
    "TogetherAuthFailing": "page",
    "TogetherAuthFailure": "ticket",
    "TogetherAuthFailureSpike": "ticket",
    "TogetherKeyRotationStalled": "none",
    "TogetherRequestsFailing": "page",
    "TogetherNothingSucceeds": "ticket",
    "TogetherErrorBudgetBurn": "page",
    "TogetherRateLimited": "none",
    "TogetherLatencyHigh": "ticket",
    "TogetherTelemetryAbsent": "ticket",
    "TogetherTelemetryErrors": "ticket",
}
"""All Prometheus alerts, with their default severities."""
LOG_SEVERITIES: Mapping[str, Severity] = {
    "TogetherAuthFailingInLogs": "page",
    "TogetherAuthFailureInLogs": "ticket",
}
"""All Loki alerts, with their default severities."""


@dataclass(frozen=True)
class Options:
    """Options of the rules.

    Attributes:
        jobs: regular expression of jobs, without quotes and backslashes, such as
            ``shop|chat-.+``; empty for all jobs.
        group_by: labels that identify a service, including ``job``.
        severities: severity by alert; alerts that are not in it are left out, as with ``none``.
        failing_share: share of a service's instances that fail, or of requests that are refused
            where instances also succeed, from which refused keys are a page.
        errors_share: share of the requests of a minute that fail because of Together or the
            network, from which they are a page.
        objective: share of requests that must succeed, over 30 days (SLO).
        slow_seconds: limit of the 95th percentile of successful requests' durations.
        limited_share: share of requests that are rate limited, from which they are a ticket.
        spike_factor: multiple of the week's median that failures in five minutes must exceed.
        rotation_overlap: seconds that an old key may be in use beside a new one.
        absent_for: duration for which telemetry may be missing, as during a deploy.
        keep_firing: ``keep_firing_for`` of all alerts, against flapping.
    """

    jobs: str = ""
    group_by: tuple[str, ...] = ("cluster", "namespace", "job")
    severities: Mapping[str, Severity] = field(
        default_factory=lambda: {**SEVERITIES, **LOG_SEVERITIES}
    )
    failing_share: float = 0.2
    errors_share: float = 0.5
    objective: float = 0.99
    slow_seconds: float = 20
    limited_share: float = 0.05
    spike_factor: float = 3
    rotation_overlap: int = 3600
    absent_for: str = "10m"
    keep_firing: str = "5m"
