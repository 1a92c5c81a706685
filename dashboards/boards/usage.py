"""Of the *Requests* dashboard: tokens, cost, limits, error budget, one instance."""

from typing import Any

import panels
from grafana_foundation_sdk.builders import dashboard

from boards import frame, query
from boards.query import BUDGET, MODELS, REASON, records
from together_otel import names
from together_otel.rules.expressions import MODEL, OPERATION, OUTCOME, TOGETHER

NOT_BY_MODEL = " All models: this counter does not know them."


def by(label: str, series: str, *matchers: str) -> Any:
    """Return sums of a series, a line for each value of a label."""
    return panels.each(label, query.sums(label, series, *matchers))


def volume() -> list[Any]:
    """Return tokens, what they cost, and how answers end."""
    cost = (
        f"3600 * sum by ({MODEL}) (\n  {query.of(records.TOKENS, MODELS)}\n"
        f"  * on ({MODEL}, kind) group_left () {records.PRICES}\n)"
    )
    return [
        panels.lines(
            "Tokens per second by kind",
            "Tokens per second. Input includes cached tokens, output includes reasoning.",
            "short",
            by("kind", records.TOKENS, MODELS),
        ),
        panels.long(
            "Output tokens per second by model",
            "Tokens per second of all answers together.",
            "short",
            by(MODEL, records.TOKENS, 'kind="output"', MODELS),
        ),
        panels.lines(
            "Prompt and answer size in tokens",
            "Input and output tokens of a request, without embeddings.",
            "short",
            *(
                panels.query(query.quantile(q, records.SIZES, f'kind="{kind}"', MODELS), ref, name)
                for ref, q, kind, name in (
                    ("A", 0.5, "input", "prompt, p50"),
                    ("B", 0.95, "input", "prompt, p95"),
                    ("C", 0.5, "output", "answer, p50"),
                    ("D", 0.95, "output", "answer, p95"),
                )
            ),
        ),
        panels.heat(
            "Prompt size, distribution",
            "Requests per second, by their input tokens.",
            "short",
            query.sums("le", records.SIZES, 'kind="input"', MODELS),
        ),
        panels.stacked(
            "Choices per second by finish reason",
            "Choices per second by finish reason; length means cut off by max_tokens.",
            "short",
            by(REASON, records.CHOICES, MODELS),
        ),
        panels.long(
            "Cost per hour by model",
            f"Dollars per hour, with the prices that you record as {records.PRICES}: see the"
            " documentation of the dashboards.",
            "currencyUSD",
            panels.each(MODEL, cost),
        ).no_value(f"No prices: record {records.PRICES}"),
    ]


def limits() -> list[Any]:
    """Return what limits requests, and what is left of the error budget."""
    return [
        panels.bars(
            "Rate limited per minute by operation",
            "Requests per minute that ended with 429 after all retries." + NOT_BY_MODEL,
            _of_operations(query.sums(OPERATION, records.REQUESTS, query.LIMITED)),
        ),
        panels.long(
            "Rate limit remaining by model",
            "Share of the allowed requests that is left, by the instance that reports the least.",
            "percentunit",
            panels.each(MODEL, f"min by ({MODEL}) ({query.of(records.REMAINING, MODELS)})"),
        ).no_value("The server reports no limits"),
        panels.bars(
            "Retries per minute by operation",
            "Retries by the SDK per minute." + NOT_BY_MODEL,
            _of_operations(query.rates(OPERATION, names.RETRIES)),
        ),
        panels.lines(
            "Error budget burn by job",
            "How fast the last hour spends the budget of 30 days: at 1 it lasts 30 days, at 14.4 two"
            " days, which is a page.",
            "short",
            panels.each(
                "job",
                f"max by (job) ({query.of(records.ERRORS_1H)}) / {BUDGET}"
                f"\nor 0 * sum by (job) ({query.REPORTING})",
            ),
        ),
    ]


def one_instance() -> dashboard.Row:
    """Return a row of one instance, read as it is scraped: its points lead to traces."""
    where = 'instance="$instance"'
    buckets = query.of(f"{names.INFERENCE_DURATION.prometheus}_bucket", where, TOGETHER)
    latency = f"histogram_quantile(0.95, sum by (le) (rate({buckets}[$__rate_interval])))"
    outcomes = f"sum by ({OUTCOME}) (rate({query.of(names.REQUESTS, where)}[$__rate_interval]))"
    return (
        dashboard.Row("One instance")
        .collapsed(collapsed=True)
        .with_panel(
            panels.stacked(
                "Requests of the instance by outcome",
                "Requests per second.",
                "reqps",
                panels.each(OUTCOME, outcomes),
                colors=frame.COLORS,
            )
        )
        .with_panel(
            panels.lines(
                "Latency of the instance, p95",
                "Of inference, including failed calls. Exemplars are calls and link to their"
                " traces.",
                "s",
                panels.query(latency, legend="p95").exemplar(exemplar=True),
            )
        )
    )


def _of_operations(expr: str) -> Any:
    """Return how often something rare happens, 0 for every operation that has requests."""
    return panels.each(OPERATION, f"60 * {expr}\nor 0 * {query.sums(OPERATION, records.REQUESTS)}")
