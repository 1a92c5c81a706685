"""The metrics for each value of a request, by operation and release of the conventions."""

from typing import NamedTuple

from together_otel.names import (
    CACHED_TOKENS_TOTAL,
    CHUNK_METRICS,
    EMBEDDINGS_DURATION,
    EMBEDDINGS_INPUT_TOKENS,
    INFERENCE_CHUNK_TIME,
    INFERENCE_DURATION,
    INFERENCE_FIRST_CHUNK,
    INFERENCE_INPUT_TOKENS,
    INFERENCE_OPERATIONS,
    INFERENCE_OUTPUT_TOKENS,
    INPUT_TOKENS_TOTAL,
    LATEST_METRICS,
    LEGACY_METRICS,
    MEAN_CHUNK_TIME,
    OPERATION_CHUNK_TIME,
    OPERATION_DURATION,
    OPERATION_FIRST_CHUNK,
    OUTPUT_TOKENS_TOTAL,
    OWN_METRICS,
    REASONING_TOKENS_TOTAL,
    TOKEN_USAGE,
    GenAIMetrics,
    Metric,
)

CHUNK_TIME = "chunk_time"
"""The value that is recorded for each chunk; all others are fields of `metrics.Measured`."""


class Row(NamedTuple):
    """A field of `metrics.Measured`, or `CHUNK_TIME`, and a metric that records it.

    ``further`` has the labels after those of every request: the type or the modality of tokens.
    ``zero`` is whether a counter is created at 0 if the server reports nothing.
    """

    field: str
    metric: Metric
    further: tuple[str, ...] = ()
    zero: bool = False


_UNKNOWN = ("unknown",)
"""Together does not report the modality of tokens."""

_INFERENCE = (
    Row("duration", INFERENCE_DURATION),
    Row("input_tokens", INPUT_TOKENS_TOTAL, _UNKNOWN, zero=True),
    Row("output_tokens", OUTPUT_TOKENS_TOTAL, _UNKNOWN, zero=True),
    Row("cached_tokens", CACHED_TOKENS_TOTAL, _UNKNOWN),
    Row("reasoning_tokens", REASONING_TOKENS_TOTAL, _UNKNOWN),
    Row("input_tokens", INFERENCE_INPUT_TOKENS),
    Row("output_tokens", INFERENCE_OUTPUT_TOKENS),
    Row("first_chunk", INFERENCE_FIRST_CHUNK),
    Row(CHUNK_TIME, INFERENCE_CHUNK_TIME),
)
_EMBEDDINGS = (Row("duration", EMBEDDINGS_DURATION), Row("input_tokens", EMBEDDINGS_INPUT_TOKENS))
_DURATION = (Row("duration", OPERATION_DURATION),)
_LEGACY = (
    *_DURATION,
    Row("input_tokens", TOKEN_USAGE, ("input",)),
    Row("output_tokens", TOKEN_USAGE, ("output",)),
    Row("first_chunk", OPERATION_FIRST_CHUNK),
    Row(CHUNK_TIME, OPERATION_CHUNK_TIME),
)
_MEAN = (Row("per_chunk", MEAN_CHUNK_TIME),)


def _latest(operation: str) -> tuple[Row, ...]:
    if operation in INFERENCE_OPERATIONS:
        return _INFERENCE
    return _EMBEDDINGS if operation == "embeddings" else _DURATION


def rows(operation: str, release: GenAIMetrics, *, chunk_times: bool) -> tuple[Row, ...]:
    """Return the values and metrics for requests of an operation, with a release's names."""
    found: tuple[Row, ...] = ()
    if release != "legacy":
        found += _latest(operation)
    if release != "latest":
        found += _LEGACY
    return tuple(
        row
        for row in dict.fromkeys(found + _MEAN)
        if chunk_times or row.metric not in CHUNK_METRICS
    )


def metrics_of(release: GenAIMetrics, *, chunk_times: bool) -> tuple[Metric, ...]:
    """Return the metrics that exist with the names of a release of the conventions."""
    found: tuple[Metric, ...] = OWN_METRICS
    if release != "legacy":
        found += LATEST_METRICS
    if release != "latest":
        found += LEGACY_METRICS
    return tuple(
        metric for metric in dict.fromkeys(found) if chunk_times or metric not in CHUNK_METRICS
    )
