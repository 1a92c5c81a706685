"""The *Requests* dashboard: rate, errors, latency, streams, tokens, cost, limits, error budget."""

from typing import Any

import panels
import tables
from grafana_foundation_sdk.builders import dashboard

from boards import frame, query, usage
from boards.query import BUDGET, MODELS, TOKENS, records
from together_otel import names
from together_otel.rules.expressions import ERROR, MODEL, OPERATION, OUTCOME

ERROR_COLORS = {
    "none": "green",
    "together.AuthenticationError": "red",
    "together.RateLimitError": "orange",
    "together.InternalServerError": "purple",
    "together.APITimeoutError": "super-light-purple",
}
"""The same as the outcomes', of the errors that are met most."""
NO_STREAMS = "No streams in this time"
NOBODY = "Nobody reports"
OF_A_MODEL = f'{MODEL}!=""'


def summary() -> list[Any]:
    """Return the top row."""
    plain = panels.steps((None, panels.GREY))
    bad = panels.steps((None, panels.GREEN), (0.01, panels.ORANGE), (0.1, panels.RED))
    spent = " / ".join(
        f"sum(sum_over_time({query.of(one)}[30d]))" for one in (records.ERRORS, records.COUNTED)
    )
    shown = (
        (
            "Requests",
            "Requests per second; a request and its retries count once.",
            query.or_zero(query.sums("", records.CALLS, MODELS)),
            "reqps",
            plain,
        ),
        (
            "Failed",
            "Share of requests that ended with any error.",
            query.share(records.CALLS, query.RAISED, MODELS),
            "percentunit",
            bad,
        ),
        (
            "Latency, p95",
            "Of successful calls, including retries; of a stream, to its end.",
            query.quantile(0.95, records.BUCKETS, MODELS),
            "s",
            plain,
        ),
        (
            "First chunk, p95",
            "Time to the first chunk of a stream.",
            query.quantile(0.95, records.FIRST_CHUNKS, MODELS),
            "s",
            plain,
        ),
        (
            "Tokens per second",
            "Input and output, as the server reports them.",
            query.or_zero(query.sums("", records.TOKENS, TOKENS, MODELS)),
            "short",
            plain,
        ),
        (
            "Error budget left",
            "Left of the budget of 30 days, which failures of Together and the network use. All models.",
            f"1 - ({spent}) / {BUDGET}\nor 1 + 0 * sum({query.REPORTING})",
            "percentunit",
            panels.steps((None, panels.RED), (0.001, panels.ORANGE), (0.5, panels.GREEN)),
        ),
    )
    return [
        panels.number(
            title, told, panels.now(expr), unit, limits, panels.NOTHING if unit == "s" else NOBODY
        ).decimals(1 if unit == "percentunit" else None)
        for title, told, expr, unit, limits in shown
    ]


def table() -> Any:
    """Return the same by model and operation."""
    by = f"{MODEL}, {OPERATION}"
    calls = query.sums(by, records.CALLS, MODELS)
    failed = query.sums(by, records.CALLS, query.RAISED, MODELS)
    columns = {
        "Requests": f"{calls} > 0",
        "Failed": f"({failed} or 0 * {calls}) / ({calls} > 0)",
        "Latency, p50": query.quantile(0.5, records.BUCKETS, MODELS, by=by),
        "Latency, p95": query.quantile(0.95, records.BUCKETS, MODELS, by=by),
        "First chunk, p95": query.quantile(0.95, records.FIRST_CHUNKS, MODELS, by=by),
        "Tokens per second": query.sums(by, records.TOKENS, TOKENS, MODELS),
    }
    shown = {MODEL: "Model", OPERATION: "Operation"}
    shown |= {f"Value #{ref}": title for ref, title in zip("ABCDEF", columns, strict=True)}
    time = {"unit": "s", "noValue": panels.NOTHING}
    return tables.table(
        "By model and operation",
        "Rates and quantiles in the last five minutes.",
        list(columns.values()),
        shown,
        "Requests",
        "No requests in this time",
        {
            "Model": {"width": 420},
            "Requests": {"unit": "reqps"},
            "Failed": {
                "unit": "percentunit",
                "decimals": 1,
                "cellOptions": tables.WRITTEN,
                "thresholds": tables.worse(0.01, 0.1),
            },
            "Tokens per second": {"unit": "short", "noValue": panels.NOTHING},
            "Latency, p50": time,
            "Latency, p95": time,
            "First chunk, p95": time,
        },
    ).height(7)


def traffic() -> list[Any]:
    """Return how many requests, of what, and how they ended."""
    errors = f"60 * {query.sums(ERROR, records.CALLS, query.RAISED, MODELS)} > 0"
    return [
        panels.stacked(
            "Requests by outcome",
            "Requests per second. Callers cause cancelled and abandoned; payment_required means that"
            " the account's credit is used up." + usage.NOT_BY_MODEL,
            "reqps",
            usage.by(OUTCOME, records.REQUESTS),
            colors=frame.COLORS,
        ),
        panels.bars(
            "Errors per minute by type",
            "Failed requests per minute, by the exception that the caller got.",
            panels.each(ERROR, query.or_none(errors, ERROR)),
            colors=ERROR_COLORS,
        ),
        panels.lines(
            "Requests by operation",
            "Requests per second.",
            "reqps",
            usage.by(OPERATION, records.CALLS, MODELS),
        ),
        panels.long(
            "Requests by model",
            "Requests per second, without operations that have no model.",
            "reqps",
            usage.by(MODEL, records.CALLS, OF_A_MODEL, MODELS),
        ),
    ]


def times() -> list[Any]:
    """Return how long things take that succeed."""
    return [
        panels.lines(
            "Latency",
            "Of successful calls, including retries.",
            "s",
            *(
                panels.query(query.quantile(q, records.BUCKETS, MODELS), ref, name)
                for ref, q, name in (("A", 0.5, "p50"), ("B", 0.95, "p95"), ("C", 0.99, "p99"))
            ),
        ),
        panels.heat(
            "Latency, distribution",
            "Successful calls per second, by duration.",
            "s",
            query.sums("le", records.BUCKETS, MODELS),
        ),
        _by_model(
            "Time to first chunk by model, p95",
            "How long the user of a stream waits for its first text.",
            records.FIRST_CHUNKS,
        ),
        panels.heat(
            "Time to first chunk, distribution",
            "Streams per second, by the time to their first chunk.",
            "s",
            query.sums("le", records.FIRST_CHUNKS, MODELS),
        ),
        panels.lines(
            "Latency by operation, p95",
            "Of successful calls; of a stream, to its end.",
            "s",
            panels.each(OPERATION, query.quantile(0.95, records.BUCKETS, MODELS, by=OPERATION)),
        ),
        _by_model(
            "Time per output chunk by model, p95",
            "The mean time between the chunks of a stream.",
            records.OUTPUT_CHUNKS,
        ),
    ]


def _by_model(title: str, description: str, buckets: str) -> Any:
    each = panels.each(MODEL, query.quantile(0.95, buckets, MODELS, by=MODEL))
    return panels.long(title, description, "s", each).no_value(NO_STREAMS)


def build() -> Any:
    """Return the dashboard's model."""
    instances = query.of(names.AUTH_FAILURES, f'{query.CAUSE}="unknown"')
    return frame.board(
        frame.REQUESTS,
        "Requests",
        "Requests to Together: rate, errors, latency, streams, tokens, cost, limits, error budget.",
        [
            *frame.variables(),
            # Some calls have no model, such as models.list.
            frame.choices("model", query.of(records.CALLS), ".*", MODEL),
            dashboard.TextBoxVariable("objective").label("Objective").default_value("0.99"),
            frame.choice("instance", instances),
        ],
        [
            *(*summary(), table(), *traffic(), *times()),
            *(*usage.volume(), *usage.limits(), usage.one_instance()),
        ],
    ).build()
