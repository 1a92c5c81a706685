"""Recording rules for series that only dashboards query."""

from collections.abc import Iterator, Mapping, Sequence

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
    SIZES,
    SUCCEEDED,
    TOKENS,
    rates,
)

BRIEF = "2m"
"""Rate window for high resolution; contains two scrapes at an interval of one minute."""
_BY_MODEL = f"{OPERATION}, {MODEL}"


def _rate(record: str, metric: str, kept: str, window: str = "5m") -> Rule:
    return Rule(record, rates((metric,), kept, window))


def _by_kind(
    record: str, metrics: Mapping[str, Sequence[str]], kept: str, comment: str
) -> Iterator[Rule]:
    """Yield one rule for each kind, all recording the same series with another ``kind`` label."""
    for kind, some in metrics.items():
        yield Rule(record, rates(some, kept), comment, labels={"kind": kind})
        comment = ""


GROUPS = (
    Group(
        "together_requests",
        (
            _rate(records.REQUESTS, names.REQUESTS.prometheus, f"{OPERATION}, {OUTCOME}"),
            Rule(records.CALLS, rates(DURATION_COUNTS, f"{_BY_MODEL}, {ERROR}")),
            _rate(records.FAILURES, names.AUTH_FAILURES.prometheus, CAUSE, BRIEF),
        ),
    ),
    Group(
        "together_usage",
        (
            Rule(records.BUCKETS, rates(DURATION_BUCKETS, f"{_BY_MODEL}, le", matchers=SUCCEEDED)),
            _rate(
                records.FIRST_CHUNKS,
                f"{names.INFERENCE_FIRST_CHUNK.prometheus}_bucket",
                f"{_BY_MODEL}, le",
            ),
            _rate(
                records.OUTPUT_CHUNKS,
                f"{names.MEAN_CHUNK_TIME.prometheus}_bucket",
                f"{_BY_MODEL}, le",
            ),
            *_by_kind(records.SIZES, SIZES, f"{MODEL}, le", "Tokens of each request by kind."),
            *_by_kind(
                records.TOKENS,
                TOKENS,
                _BY_MODEL,
                "Tokens per second by model and kind; input includes cached, output includes reasoning.",
            ),
            _rate(
                records.CHOICES,
                names.CHOICES.prometheus,
                f"{MODEL}, {names.label_of(names.FINISH_REASON)}",
            ),
            Rule(
                records.REMAINING,
                f"min by (<by>, {MODEL}) ({names.RATELIMIT_REMAINING.prometheus}\n"
                f"  / ({names.RATELIMIT_LIMIT.prometheus} > 0))",
                "Share of the rate limit that is left, by the instance that reports the least.",
            ),
        ),
        interval="1m",
    ),
)
"""Cheap series at the default interval, then those with many labels, once a minute."""
