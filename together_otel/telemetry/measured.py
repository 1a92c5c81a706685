"""Types of measured values, which the metrics modules pass to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from together_otel.names import Metric, Outcome

Labels = tuple["str | int | None", ...]
"""Values in the order of a metric's attributes; ``None`` for an unknown one."""


Amount = tuple["Metric", Labels, int]
"""An increment of one series of a counter."""


class KeyUse(NamedTuple):
    """The state of one key in use; times are Unix seconds, ``None`` for never."""

    fingerprint: str
    format: str
    source: str
    last_accepted: float | None
    last_refused: float | None


class GaugeValue(NamedTuple):
    """One series of a gauge; ``noted`` is the Unix time of a value that can decrease, else 0."""

    metric: Metric
    labels: Labels
    value: float
    noted: float = 0.0


class Measured(NamedTuple):
    """The measured values of one request; ``None`` for unknown ones.

    Attributes:
        outcome: one of the closed set in `names`.
        duration: seconds from the request to its end.
        error_type: the error type of a failure.
        response_model: the model that answered, as named by the server.
        input_tokens: number of input tokens, as reported by the server.
        output_tokens: number of output tokens, as reported by the server.
        cached_tokens: number of the input tokens that were read from a cache.
        reasoning_tokens: number of the output tokens that were used for reasoning.
        first_chunk: seconds from the request to a stream's first chunk.
        per_chunk: mean seconds between a stream's chunks after the first.
        finish_reasons: one for each choice, as named by the server.
        span_context: the context of the request's span, for exemplars.
    """

    outcome: Outcome
    duration: float
    error_type: str | None = None
    response_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_chunk: float | None = None
    per_chunk: float | None = None
    finish_reasons: tuple[str, ...] = ()
    span_context: SpanContext | None = None
