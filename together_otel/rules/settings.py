"""Everything about the rules that a user may want otherwise: thresholds, severities, links.

This is the one place for it. `python dashboards/build.py` makes the rules from the defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from together_otel.names import Outcome  # noqa: TC001 - the types of settings are looked up
from together_otel.settings import DEFAULT_RUNBOOK_URL

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["page", "ticket"]
"""``page`` wakes somebody up; ``ticket`` waits until the morning."""

Dashboard = Literal["authentication", "requests", "fleet"]


@dataclass(frozen=True)
class Burn:
    """One pair of windows of the error budget's alert.

    Attributes:
        factor: how many times too fast the budget is spent.
        long: the window that shows that it matters.
        short: the window that shows that it still goes on.
        severity: what it is then.
    """

    factor: float
    long: str
    short: str
    severity: Severity


@dataclass(frozen=True)
class Options:
    """How the rules are made.

    Attributes:
        jobs: the jobs, as a regular expression without quotes and backslashes: ``shop|chat-.+``;
            empty for all.
        runbook_url: where the runbook is, without an anchor.
        dashboard_url: what stands before a dashboard's uid: ``https://grafana.example/d/``.
        dashboards: uid by what it is about.
        severities: of each alert but the error budget's, whose windows have their own.
        keep_firing: how long an alert goes on after its expression has ended, against flapping.

        failing_share: share of a job's requests refused from which it fails.
        spike_factor: failures of five minutes, as a multiple of what is usual for the job.
        spike_failures: and at least as many.
        refused_share: share of a job's instances up to which a refusal is the instances', not the
            key's.
        refused_for: how long before that is said; a key that dies is refused everywhere by then.
        rotation_overlap: seconds that two keys may be in use side by side.
        rotation_memory: seconds after which two keys side by side are how it is meant to be.
        recovery_window: time in which searches for another key found none, and
        recovery_searches: at least as many of one result.
        absent_for: how long telemetry may be away, as in a deploy.
        absent_memory: how long it is missed.
        limited_share: share of requests that end as rate limited, and
        limited_requests: at least as many in five minutes.
        slow_seconds: a bucket's bound; the quantile beyond it is too slow.
        slow_quantile: the quantile.
        slow_requests: and at least as many requests in five minutes.
        slow_operations: operations that are to be as quick as that; a film takes its time.
        objective: share of requests to be answered, over 30 days.
        errors: outcomes that spend the error budget.
        uncounted: outcomes that are nobody's failure, neither spent nor budgeted for.
        burns: the windows.
        burn_errors: failures in the long window without which no budget burns.
    """

    jobs: str = ""
    runbook_url: str = DEFAULT_RUNBOOK_URL
    dashboard_url: str = "/d/"
    dashboards: Mapping[Dashboard, str] = field(
        default_factory=lambda: {
            "authentication": "together-authentication",
            "requests": "together-requests",
            "fleet": "together-fleet",
        }
    )
    severities: Mapping[str, Severity] = field(
        default_factory=lambda: {
            "TogetherAuthFailing": "page",
            "TogetherKeyRevoked": "page",
            "TogetherKeyUnusable": "page",
            "TogetherAuthFailure": "ticket",
            "TogetherAuthFailureSpike": "ticket",
            "TogetherOneInstanceRefused": "ticket",
            "TogetherKeyRotationStalled": "ticket",
            "TogetherKeyRecoveryFailing": "ticket",
            "TogetherTelemetryAbsent": "ticket",
            "TogetherTelemetryErrors": "ticket",
            "TogetherRateLimited": "ticket",
            "TogetherLatencyHigh": "ticket",
        }
    )
    keep_firing: str = "5m"

    failing_share: float = 0.5
    spike_factor: float = 3
    spike_failures: int = 10
    refused_share: float = 0.5
    refused_for: str = "2m"
    rotation_overlap: int = 3600
    rotation_memory: int = 7 * 86_400
    recovery_window: str = "15m"
    recovery_searches: int = 2
    absent_for: str = "10m"
    absent_memory: str = "1d"
    limited_share: float = 0.05
    limited_requests: int = 10
    slow_seconds: float = 20.48
    slow_quantile: float = 0.95
    slow_requests: int = 20
    slow_operations: tuple[str, ...] = ("chat", "text_completion", "embeddings", "rerank")
    objective: float = 0.99
    errors: tuple[Outcome, ...] = (
        "auth_failure",
        "rate_limited",
        "server_error",
        "connection_error",
        "timeout",
    )
    uncounted: tuple[Outcome, ...] = ("client_error", "cancelled", "abandoned")
    burns: tuple[Burn, ...] = (
        Burn(14.4, "1h", "5m", "page"),
        Burn(6, "6h", "30m", "page"),
        Burn(3, "1d", "2h", "ticket"),
        Burn(1, "3d", "6h", "ticket"),
    )
    burn_errors: int = 10
