"""Series that the dashboards of a large fleet are drawn from, which no alert needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names
from together_otel.rules import records
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import (
    CAUSE,
    DURATION_BUCKETS,
    DURATION_COUNTS,
    ERROR,
    MODEL,
    OPERATION,
    OUTCOME,
    SUCCEEDED,
    TOKENS,
    Sample,
    rates,
)
from together_otel.rules.telemetry import STAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

BRIEF = "2m"
"""For what is looked at to the minute; two scrapes of a minute still fit in it."""
_BY_MODEL = f"{OPERATION}, {MODEL}"
_FAILURES = names.AUTH_FAILURES.prometheus


def _rate(
    record: str,
    metric: str | Sequence[Sample],
    kept: str,
    comment: str,
    window: str = "5m",
) -> Rule:
    samples = (Sample(metric),) if isinstance(metric, str) else metric
    return Rule(record, rates(samples, kept, window), comment)


GROUPS = (
    Group(
        "together_requests",
        (
            Rule(
                records.REPORTING,
                records.INSTANCES,
                "Instances that report. It is there only where alerts.yaml is loaded as well: dashboards"
                " go by it, as they need both.",
            ),
            _rate(
                records.REQUESTS,
                names.REQUESTS.prometheus,
                f"{OPERATION}, {OUTCOME}",
                "Requests a second by operation and outcome.",
            ),
            _rate(
                records.INSTANCE_REQUESTS,
                names.REQUESTS.prometheus,
                f"instance, {OUTCOME}",
                "Requests a second by instance and outcome.",
            ),
            _rate(
                records.CALLS,
                DURATION_COUNTS,
                f"{_BY_MODEL}, {ERROR}",
                "Finished requests a second by model and kind of error.",
            ),
            _rate(
                records.RETRIES,
                names.RETRIES.prometheus,
                OPERATION,
                "The SDK's own retries a second.",
            ),
            _rate(
                records.FAILURES,
                _FAILURES,
                CAUSE,
                "Authentication failures a second.",
                BRIEF,
            ),
            Rule(
                records.CAUSE_FAILURES,
                f"sum by (<by>, {CAUSE}) (increase({_FAILURES}[5m])) > 0",
                "Authentication failures of five minutes, where there are any.",
            ),
            Rule(
                records.INSTANCE_TOTALS,
                f"sum by (<by>, instance, {CAUSE}) ({_FAILURES}) > 0",
                "Authentication failures counted so far, where there are any.",
            ),
            _rate(
                records.TELEMETRY_ERRORS,
                names.TELEMETRY_ERRORS.prometheus,
                STAGE,
                "The instrumentation's own errors a second.",
            ),
        ),
    ),
    Group(
        "together_histograms",
        (
            Rule(
                records.BUCKETS,
                rates(DURATION_BUCKETS, f"{_BY_MODEL}, le", matchers=SUCCEEDED),
                "Durations of successful requests of Together's: for histogram_quantile.",
            ),
            _rate(
                records.FIRST_CHUNKS,
                f"{names.INFERENCE_FIRST_CHUNK.prometheus}_bucket",
                f"{_BY_MODEL}, le",
                "Time to the first chunk of streams: for histogram_quantile.",
            ),
            _rate(
                records.OUTPUT_CHUNKS,
                f"{names.MEAN_CHUNK_TIME.prometheus}_bucket",
                f"{_BY_MODEL}, le",
                "Mean time between chunks of streams: for histogram_quantile.",
            ),
            _rate(
                records.TOKENS,
                TOKENS,
                _BY_MODEL,
                "Tokens a second by model and direction.",
            ),
        ),
        interval="1m",
    ),
)
"""What is cheap and looked at now, then what is large and looked at over time."""
