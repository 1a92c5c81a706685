"""Series that the dashboards of a large fleet are drawn from, which no alert needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names
from together_otel.rules import records
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import (
    CAUSE,
    DURATION_COUNTS,
    MODEL,
    OPERATION,
    OUTCOME,
    TOKENS,
    WINDOW,
    Sample,
    of,
    rates,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from together_otel.rules.settings import Options

ERROR = names.label_of(names.ERROR_TYPE)
STAGE = names.label_of(names.TELEMETRY_STAGE)
BRIEF = "2m"
"""For what is looked at to the minute; two scrapes of a minute still fit in it."""


def groups(options: Options) -> tuple[Group, ...]:
    """Return what is cheap and looked at now, then what is large and looked at over time."""

    def rate(
        record: str,
        metric: names.Metric | str | Sequence[Sample],
        kept: str,
        comment: str,
        window: str = WINDOW,
    ) -> Rule:
        if isinstance(metric, names.Metric):
            metric = metric.prometheus
        samples = (Sample(metric),) if isinstance(metric, str) else metric
        return Rule(record, rates(options, samples, f"job, {kept}", window), comment=comment)

    by_model = f"{OPERATION}, {MODEL}"
    totals = f"sum by (job, instance, {CAUSE}) ({of(options, names.AUTH_FAILURES)}) > 0"
    return (
        Group(
            "together_requests",
            (
                Rule(
                    records.REPORTING,
                    of(options, records.INSTANCES),
                    comment="Instances that report. It is there only where alerts.yaml is loaded as "
                    "well: dashboards go by it, as they need both.",
                ),
                rate(
                    records.REQUESTS,
                    names.REQUESTS,
                    f"{OPERATION}, {OUTCOME}",
                    "Requests a second by operation and outcome.",
                ),
                rate(
                    records.INSTANCE_REQUESTS,
                    names.REQUESTS,
                    f"instance, {OUTCOME}",
                    "Requests a second by instance and outcome.",
                ),
                rate(
                    records.CALLS,
                    DURATION_COUNTS,
                    f"{by_model}, {ERROR}",
                    "Finished requests a second by model and kind of error.",
                ),
                rate(
                    records.RETRIES,
                    names.RETRIES,
                    OPERATION,
                    "The SDK's own retries a second.",
                ),
                rate(
                    records.FAILURES,
                    names.AUTH_FAILURES,
                    CAUSE,
                    "Authentication failures a second.",
                    BRIEF,
                ),
                Rule(
                    records.INSTANCE_TOTALS,
                    totals,
                    comment="Authentication failures counted so far, where there are any.",
                ),
                rate(
                    records.TELEMETRY_ERRORS,
                    names.TELEMETRY_ERRORS,
                    STAGE,
                    "The instrumentation's own errors a second.",
                ),
            ),
        ),
        Group(
            "together_histograms",
            (
                rate(
                    records.FIRST_CHUNKS,
                    f"{names.INFERENCE_FIRST_CHUNK.prometheus}_bucket",
                    f"{by_model}, le",
                    "Time to the first chunk of streams: for histogram_quantile.",
                ),
                rate(
                    records.OUTPUT_CHUNKS,
                    f"{names.MEAN_CHUNK_TIME.prometheus}_bucket",
                    f"{by_model}, le",
                    "Mean time between chunks of streams: for histogram_quantile.",
                ),
                rate(
                    records.TOKENS,
                    TOKENS,
                    by_model,
                    "Tokens a second by model and direction.",
                ),
            ),
            interval="1m",
        ),
    )
