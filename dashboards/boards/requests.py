"""The *Requests* dashboard: rate, errors, latency, first chunks, tokens, retries, rate limits."""

from __future__ import annotations

from typing import Any

import panels
import rules

from boards import frame, series
from together_otel import names

MODEL = names.label_of(names.REQUEST_MODEL)
ERROR = names.label_of(names.ERROR_TYPE)
REASON = names.label_of(names.FINISH_REASON)

FAILED = f'{ERROR}!=""'
LIMITED = f'{series.OUTCOME}="rate_limited"'
OF_A_MODEL = f'{MODEL}!=""'

ERROR_COLORS = {
    "none": "green",
    "together.AuthenticationError": "red",
    "together.RateLimitError": "orange",
    "together.InternalServerError": "purple",
    "together.APITimeoutError": "super-light-purple",
}
"""The same as the outcomes', of the errors that are met most."""

NOT_BY_MODEL = " All models: this counter does not know them."


def summary() -> list[Any]:
    """Return the top row."""
    plain = panels.steps((None, panels.GREY))
    calls, asked = f"sum {series.CALLS.rate()}", f"sum {series.REQUESTS.rate()}"
    failed = f"sum {series.CALLS.rate(FAILED)}"
    limited = f"sum {series.REQUESTS.rate(LIMITED)}"
    return [
        panels.number(
            "Requests",
            "Requests a second, the SDK's retries counted as one.",
            panels.now(frame.or_zero(calls)),
            "reqps",
            plain,
            "Nobody reports",
        ),
        panels.number(
            "Failed",
            "Share of requests that ended with an error, of whatever kind.",
            panels.now(frame.or_zero(f"{failed} / ({calls} > 0)")),
            "percentunit",
            panels.steps((None, panels.GREEN), (0.01, panels.ORANGE), (0.1, panels.RED)),
            "Nobody reports",
        ).decimals(1),
        panels.number(
            "Rate limited",
            "Share of requests that ended with 429, retries and all." + NOT_BY_MODEL,
            panels.now(frame.or_zero(f"{limited} / ({asked} > 0)")),
            "percentunit",
            panels.steps((None, panels.GREEN), (0.01, panels.ORANGE), (0.1, panels.RED)),
            "Nobody reports",
        ).decimals(1),
        panels.number(
            "Latency, p95",
            "Of whole calls as the caller sees them, retries included; of a stream, to its end.",
            panels.now(frame.quantile(0.95, series.DURATIONS.rate())),
            "s",
            plain,
        ),
        panels.number(
            "First chunk, p95",
            "Time to the first chunk of a stream.",
            panels.now(frame.quantile(0.95, series.FIRST_CHUNKS.rate())),
            "s",
            plain,
        ),
        panels.number(
            "Tokens",
            "Tokens a second, input and output, as the server reports them.",
            panels.now(frame.or_zero(f"sum {series.TOKENS.rate()}")),
            "short",
            plain,
            "Nobody reports",
        ),
    ]


def traffic() -> list[Any]:
    """Return how many requests, of what, and how they ended."""
    outcomes = panels.stacked(
        panels.lines(
            "Requests by outcome",
            "Requests a second. Cancelled and abandoned are the caller's own doing." + NOT_BY_MODEL,
            "reqps",
            _by(series.OUTCOME, series.REQUESTS.rate()),
        )
    )
    errors = panels.bars(
        panels.lines(
            "Errors by type",
            "Failed requests in each interval, by the exception that the caller got.",
            "short",
            panels.each(
                ERROR,
                frame.or_none(f"sum by ({ERROR}) {series.CALLS.counts(FAILED)} > 0", ERROR),
            ),
        )
    )
    return [
        panels.colored(outcomes, frame.COLORS),
        panels.colored(errors, ERROR_COLORS),
        panels.lines(
            "Requests by operation",
            "Requests a second.",
            "reqps",
            _by(series.OPERATION, series.CALLS.rate()),
        ),
        panels.names_below(
            panels.lines(
                "Requests by model",
                "Requests a second; operations without a model are left out.",
                "reqps",
                _by(MODEL, series.CALLS.rate(OF_A_MODEL)),
            )
        ),
    ]


def time() -> list[Any]:
    """Return how long things take."""
    return [
        panels.lines(
            "Latency",
            "Quantiles of whole calls, retries included. Where instances are chosen, points are calls"
            " that lead to their traces.",
            "s",
            *(
                # Of queries of one histogram Grafana asks the first for exemplars.
                panels.query(frame.quantile(q, series.DURATIONS.rate()), ref, name).exemplar(
                    exemplar=ref == "A"
                )
                for ref, q, name in (("A", 0.5, "p50"), ("B", 0.95, "p95"), ("C", 0.99, "p99"))
            ),
        ),
        panels.lines(
            "Latency by operation, p95",
            "A stream counts until it ends.",
            "s",
            panels.each(
                series.OPERATION, frame.quantile(0.95, series.DURATIONS.rate(), series.OPERATION)
            ),
        ),
        panels.names_below(
            panels.lines(
                "Time to first chunk by model, p95",
                "What the user of a stream waits for.",
                "s",
                panels.each(MODEL, frame.quantile(0.95, series.FIRST_CHUNKS.rate(), MODEL)),
            )
        ).no_value("No streams in this time"),
        panels.names_below(
            panels.lines(
                "Time per output chunk by model, p95",
                "How fast a stream flows: its mean time between chunks.",
                "s",
                panels.each(MODEL, frame.quantile(0.95, series.OUTPUT_CHUNKS.rate(), MODEL)),
            )
        ).no_value("No streams in this time"),
    ]


def volume() -> list[Any]:
    """Return tokens, retries and rate limits."""
    return [
        panels.stacked(
            panels.lines(
                "Tokens by direction",
                "Tokens a second.",
                "short",
                _by(rules.DIRECTION, series.TOKENS.rate()),
            )
        ),
        panels.names_below(
            panels.stacked(
                panels.lines(
                    "Tokens by model",
                    "Tokens a second, input and output.",
                    "short",
                    _by(MODEL, series.TOKENS.rate(OF_A_MODEL)),
                )
            )
        ),
        panels.bars(
            panels.lines(
                "Retries by operation",
                "Attempts that the SDK repeated by itself, in each interval." + NOT_BY_MODEL,
                "short",
                _of_operations(series.RETRIES.counts()),
            )
        ),
        panels.bars(
            panels.lines(
                "Rate limited by operation",
                "Requests that ended with 429 after all retries, in each interval." + NOT_BY_MODEL,
                "short",
                _of_operations(series.REQUESTS.counts(LIMITED)),
            )
        ),
        panels.lines(
            "Tokens of a request, p95",
            "How long prompts and answers are. Embeddings are left out.",
            "short",
            *(
                panels.query(frame.quantile(0.95, _rate(metric, "_bucket")), ref, name)
                for ref, name, metric in (
                    ("A", "input", names.INFERENCE_INPUT_TOKENS),
                    ("B", "output", names.INFERENCE_OUTPUT_TOKENS),
                )
            ),
        ),
        panels.lines(
            "Tokens from the cache and of reasoning",
            "Tokens a second, as the server breaks them down; both are part of the tokens above.",
            "short",
            *(
                panels.query(frame.or_zero(f"sum {_rate(metric)}"), ref, name)
                for ref, name, metric in (
                    ("A", "input, from the cache", names.CACHED_TOKENS_TOTAL),
                    ("B", "output, of reasoning", names.REASONING_TOKENS_TOTAL),
                )
            ),
        ),
        panels.stacked(
            panels.lines(
                "Choices by finish reason",
                "Choices a second, by why they ended: length is a cut by max_tokens.",
                "short",
                _by(REASON, _rate(names.CHOICES)),
            )
        ),
        panels.names_below(
            panels.lines(
                "Requests that are left by model",
                "Of those that the rate limit allows, the share that the instance with the fewest"
                " has left.",
                "percentunit",
                panels.each(
                    MODEL,
                    f"min by ({MODEL}) ({series.of(names.RATELIMIT_REMAINING, series.MODEL)}"
                    f" / ({series.of(names.RATELIMIT_LIMIT, series.MODEL)} > 0))",
                ),
            )
        ).no_value("The server says nothing of limits"),
    ]


def _rate(metric: names.Metric, part: str = "") -> str:
    """Return a rate of what is not recorded, of the models that are chosen."""
    name = metric.prometheus + part
    return f"(rate({series.select(name, series.SELECTED, series.MODEL)}[$__rate_interval]))"


def table() -> Any:
    """Return the same by model and operation, in the selected time."""
    by = f"{MODEL}, {series.OPERATION}"
    calls = f"sum by ({by}) {series.CALLS.mean()}"
    failed = f"sum by ({by}) {series.CALLS.mean(FAILED)}"
    durations, first_chunks = series.DURATIONS.mean(), series.FIRST_CHUNKS.mean()
    made = panels.rows(
        "By model and operation",
        "Means and quantiles of the selected time.",
        panels.instant(f"{calls} > 0", "A"),
        panels.instant(f"({failed} or 0 * {calls}) / ({calls} > 0)", "B"),
        panels.instant(frame.quantile(0.5, durations, by), "C"),
        panels.instant(frame.quantile(0.95, durations, by), "D"),
        panels.instant(frame.quantile(0.95, first_chunks, by), "E"),
        panels.instant(f"sum by ({by}) {series.TOKENS.mean()}", "F"),
    )
    made = (
        panels.sort(made, "Requests")
        .with_transformation(
            panels.columns(
                **{MODEL: "Model", series.OPERATION: "Operation"},
                **{"Value #A": "Requests", "Value #B": "Failed", "Value #C": "Latency, p50"},
                **{"Value #D": "Latency, p95", "Value #E": "First chunk, p95"},
                **{"Value #F": "Tokens a second"},
            )
        )
        .no_value("No requests in this time")
        .height(7)
        .span(24)
    )
    made = panels.column(made, "Model", width=420)
    made = panels.column(made, "Requests", unit="reqps")
    made = panels.column(
        made,
        "Failed",
        unit="percentunit",
        decimals=1,
        cellOptions=panels.WRITTEN,
        thresholds=panels.limits((None, panels.GREEN), (0.01, panels.ORANGE), (0.1, panels.RED)),
    )
    for name in ("Latency, p50", "Latency, p95", "First chunk, p95"):
        made = panels.column(made, name, unit="s", noValue=panels.NOTHING)
    return panels.column(made, "Tokens a second", unit="short", noValue=panels.NOTHING)


def _by(label: str, events: str) -> Any:
    return panels.each(label, f"sum by ({label}) {events}")


def _of_operations(events: str) -> Any:
    """Return how often something rare happens, 0 for every operation that has requests."""
    kept = f"sum by ({series.OPERATION})"
    return panels.each(series.OPERATION, f"{kept} {events}\nor 0 * {kept} {series.REQUESTS.rate()}")


def build() -> Any:
    """Return the dashboard's model."""
    return frame.board(
        frame.REQUESTS,
        "Requests",
        "Requests to Together: rate, errors, latency, streams, tokens, retries, rate limits.",
        frame.variables(model=True),
        [*summary(), table(), *traffic(), *time(), *volume()],
    ).build()
