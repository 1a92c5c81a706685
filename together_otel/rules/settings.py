"""What users may want otherwise in the rules: thresholds, severities, grouping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["page", "ticket", "none"]
"""``page`` wakes somebody up; ``ticket`` waits until the morning; ``none`` leaves an alert out."""

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
"""Every alert of Prometheus, and what it is by default."""
LOG_SEVERITIES: Mapping[str, Severity] = {
    "TogetherAuthFailingInLogs": "page",
    "TogetherAuthFailureInLogs": "ticket",
}
"""Those of Loki."""


@dataclass(frozen=True)
class Options:
    """How the rules are made.

    Attributes:
        jobs: the jobs, as a regular expression without quotes and backslashes: ``shop|chat-.+``;
            empty for all.
        group_by: labels that tell one service from another; ``job`` is one of them.
        severities: of the alerts; one that is not among them is left out, as by ``none``.
        failing_share: share of a service's instances, or of the requests of those that are
            accepted, from which refused keys are a page.
        errors_share: share of requests of the last minute that fail for Together's or the
            network's sake, from which that is a page.
        objective: share of requests to be answered, over 30 days.
        slow_seconds: the 95th percentile of successful requests beyond this is too slow.
        limited_share: share of requests that end as rate limited.
        spike_factor: failures of five minutes, as a multiple of the week's median.
        rotation_overlap: seconds that two keys may be in use side by side.
        absent_for: how long telemetry may be away, as in a deploy.
        keep_firing: how long an alert goes on after its expression has ended, against flapping.
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
