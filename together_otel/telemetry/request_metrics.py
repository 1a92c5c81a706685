"""The metrics for each value of a request, by operation and release of the conventions."""

from typing import NamedTuple

from together_otel import names

CHUNK_TIME = "chunk_time"
"""The value that is recorded for each chunk; all others are fields of `metrics.Measured`."""


class Row(NamedTuple):
    """A field of `metrics.Measured`, or `CHUNK_TIME`, and a metric that records it.

    ``further`` has the labels after those of every request: the type or the modality of tokens.
    ``zero`` is whether a counter is created at 0 if the server reports nothing.
    """

    field: str
    metric: names.Metric
    further: tuple[str, ...] = ()
    zero: bool = False


_UNKNOWN = ("unknown",)  # Together does not report the modality of tokens

_INFERENCE = (
    Row("duration", names.INFERENCE_DURATION),
    Row("input_tokens", names.INPUT_TOKENS_TOTAL, _UNKNOWN, zero=True),
    Row("output_tokens", names.OUTPUT_TOKENS_TOTAL, _UNKNOWN, zero=True),
    Row("cached_tokens", names.CACHED_TOKENS_TOTAL, _UNKNOWN),
    Row("reasoning_tokens", names.REASONING_TOKENS_TOTAL, _UNKNOWN),
    Row("input_tokens", names.INFERENCE_INPUT_TOKENS),
    Row("output_tokens", names.INFERENCE_OUTPUT_TOKENS),
    Row("first_chunk", names.INFERENCE_FIRST_CHUNK),
    Row(CHUNK_TIME, names.INFERENCE_CHUNK_TIME),
)
_EMBEDDINGS = (
    Row("duration", names.EMBEDDINGS_DURATION),
    Row("input_tokens", names.EMBEDDINGS_INPUT_TOKENS),
)
_DURATION = (Row("duration", names.OPERATION_DURATION),)
_LEGACY = (
    *_DURATION,
    Row("input_tokens", names.TOKEN_USAGE, ("input",)),
    Row("output_tokens", names.TOKEN_USAGE, ("output",)),
    Row("first_chunk", names.OPERATION_FIRST_CHUNK),
    Row(CHUNK_TIME, names.OPERATION_CHUNK_TIME),
)
_MEAN = (Row("per_chunk", names.MEAN_CHUNK_TIME),)


def rows(operation: str, release: names.GenAIMetrics, *, chunk_times: bool) -> tuple[Row, ...]:
    """Return the values and metrics for requests of an operation, with a release's names."""
    found: tuple[Row, ...] = ()
    if release != "legacy":
        of_others = _EMBEDDINGS if operation == "embeddings" else _DURATION
        found += _INFERENCE if operation in names.INFERENCE_OPERATIONS else of_others
    if release != "latest":
        found += _LEGACY
    unwanted = () if chunk_times else names.CHUNK_METRICS
    return tuple(row for row in dict.fromkeys(found + _MEAN) if row.metric not in unwanted)


def metrics_of(release: names.GenAIMetrics, *, chunk_times: bool) -> tuple[names.Metric, ...]:
    """Return the metrics that exist with the names of a release of the conventions."""
    found: tuple[names.Metric, ...] = names.OWN_METRICS
    if release != "legacy":
        found += names.LATEST_METRICS
    if release != "latest":
        found += names.LEGACY_METRICS
    unwanted = () if chunk_times else names.CHUNK_METRICS
    return tuple(one for one in dict.fromkeys(found) if one not in unwanted)
