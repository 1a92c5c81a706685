"""What is measured, as it is handed from one module to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from together_otel.names import Metric, Outcome

Labels = tuple["str | int | None", ...]
"""Values in the order of a metric's attributes; ``None`` for one that is not known."""


Amount = tuple["Metric", Labels, int]
"""What is added to one series of a counter."""


class KeyUse(NamedTuple):
    """What is known of one key in use; times are Unix seconds, ``None`` for never."""

    fingerprint: str
    format: str
    source: str
    last_accepted: float | None
    last_refused: float | None


class GaugeValue(NamedTuple):
    """One series of a gauge; ``noted`` is when, in Unix seconds, of a value that can fall."""

    metric: Metric
    labels: Labels
    value: float
    noted: float = 0.0


class Measured(NamedTuple):
    """How one request ended; ``None`` for what is not known.

    Attributes:
        outcome: of the contract's closed set.
        duration: seconds from the request to its end.
        error_type: of a failure.
        response_model: the model that answered, as the server names it.
        input_tokens: as the server reports them.
        output_tokens: the same.
        cached_tokens: of the input tokens, those read from a cache.
        reasoning_tokens: of the output tokens, those of reasoning.
        first_chunk: seconds from the request to a stream's first chunk.
        per_chunk: mean seconds between a stream's chunks after the first.
        finish_reasons: one for each choice, as the server names them.
        span_context: of the request's span, for exemplars.
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
