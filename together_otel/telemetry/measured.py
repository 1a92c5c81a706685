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
    """The measured values of one request, times in seconds; ``None`` for unknown ones.

    The duration is that until its end. The cached tokens are among the input tokens, those for
    reasoning among the output tokens. ``first_chunk`` is the time from the request to a stream's
    first chunk, ``per_chunk`` the mean time between its chunks after that. There is one finish
    reason for each choice, as named by the server. Exemplars refer to the span context.
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
