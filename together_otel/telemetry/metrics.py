"""What is counted and measured, whichever backend emits it.

How a call is recorded:

1. Before the request, ``recorder = metrics.recorder(operation, model, host, port, secrets)``
   returns the record of all requests with these labels. It is made once and found again by one
   dictionary step. From then on the operation's series exist.
2. ``recorder.retried(times)`` counts the SDK's own attempts, ``recorder.ratelimits(…)`` what the
   server allows.
3. A stream asks ``recorder.chunk_gaps(response_model, span_context)`` after its first chunk. The
   result is ``None`` unless TOGETHER_OTEL_CHUNK_TIMES is on; else it is called with the seconds
   between two chunks.
4. At the end, ``recorder.record(Measured(outcome, seconds, …), secrets)`` records the request, once.
   Where the request was answered by another server than asked, take that server's recorder.

``metrics.auth_failed(cause)`` and ``metrics.accepted(now)`` count and export the state of
authentication. Values are passed raw: `labels` makes them safe and limits their number. The
methods of one object can be called from any thread. Each signal is written for itself: an error
in one is swallowed, counted and does not prevent the others.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from together_otel.names import (
    AUTH_FAILURES,
    DURATION,
    KEY_CHECKS,
    KEY_RECOVERIES,
    PROVIDER,
    REQUESTS,
    RETRIES,
    TELEMETRY_ERRORS,
    TIME_PER_OUTPUT_CHUNK,
    TIME_TO_FIRST_CHUNK,
    TOKEN_USAGE,
)
from together_otel.telemetry import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.trace import SpanContext

    from together_otel.names import (
        Cause,
        Metric,
        Outcome,
        RecoveryOutcome,
        Stage,
        TokenType,
    )
    from together_otel.telemetry.labels import Secrets

Labels = tuple["str | int | None", ...]
"""Values in the order of a metric's attributes; ``None`` for one that is not known."""

Value = tuple["Metric", "TokenType | None", float]
"""Of a histogram, in its metric's unit; the type of tokens where it is them that are counted."""


class KeyUse(NamedTuple):
    """What is known of one key in use; times are Unix seconds, ``None`` for never."""

    fingerprint: str
    format: str
    source: str
    last_accepted: float | None
    last_refused: float | None


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


class Recorder:
    """Records requests of one operation for one model at one server."""

    def __init__(
        self,
        metrics: Metrics,
        operation: str,
        model: str | None,
        server: tuple[str | None, int | None],
    ) -> None:
        self._metrics = metrics
        self._operation = operation
        self._model, self._server = model, server
        for outcome in ("success", "auth_failure"):
            metrics.add(REQUESTS, (operation, outcome), 0)

    def retried(self, times: int = 1) -> None:
        """Count attempts that the SDK made again by itself."""
        if times:
            self._metrics.add(RETRIES, (self._operation,), times)

    def ratelimits(self, remaining: float | None, limit: float | None) -> None:
        """Note how many requests the server still allows, and of how many."""

    def chunk_gaps(
        self, response_model: str | None, span_context: SpanContext | None
    ) -> Callable[[float], None] | None:
        """Return what records the seconds between two chunks; ``None`` where that is off."""

    def record(self, measured: Measured, secrets: Secrets = tuple) -> None:
        """Record a request that has ended.

        Args:
            measured: how.
            secrets: returns the keys that the response's model may repeat.
        """
        metrics = self._metrics
        metrics.add(REQUESTS, (self._operation, measured.outcome))
        label = metrics.labels
        found = (
            self._operation,
            PROVIDER,
            self._model,
            label.model(measured.response_model, secrets),
            *self._server,
            label.error_type(measured.error_type),
        )
        values: list[Value] = [(DURATION, None, measured.duration)]
        if measured.input_tokens is not None:
            values.append((TOKEN_USAGE, "input", measured.input_tokens))
        if measured.output_tokens is not None:
            values.append((TOKEN_USAGE, "output", measured.output_tokens))
        if measured.first_chunk is not None:
            values.append((TIME_TO_FIRST_CHUNK, None, measured.first_chunk))
        if measured.per_chunk is not None:
            values.append((TIME_PER_OUTPUT_CHUNK, None, measured.per_chunk))
        context = Context()
        if measured.span_context is not None:
            context = set_span_in_context(NonRecordingSpan(measured.span_context), context)
        metrics.record(values, found, context)


class Metrics:
    """The contract's metrics in the words of what happens; this one emits none.

    A backend overrides ``add``, ``record`` and, where it has to be told of keys,
    ``keys_changed``. ``keys_in_use`` is set by who knows them.
    """

    def __init__(self) -> None:
        self.keys_in_use: Callable[[], Iterable[KeyUse]] = tuple
        self.labels = labels.Labels()
        self.last_failures: dict[Cause, float] = {}
        self.last_success: float | None = None
        self._recorders: dict[Labels, Recorder] = {}

    def add(self, metric: Metric, labels: Labels, amount: int = 1) -> None:
        """Add to a counter; 0 makes the series exist."""

    def record(self, values: Iterable[Value], labels: Labels, context: Context) -> None:
        """Record the values of a call in histograms, in the context of its span."""

    def keys_changed(self, *, at_once: bool) -> None:
        """Note that `keys_in_use` says something new.

        Args:
            at_once: whether it may not wait: a process may die of what has happened.
        """

    def start(self) -> None:
        """Begin to emit, or go on after `stop`."""

    def stop(self) -> None:
        """Emit no more; what was counted is kept for another `start`."""

    def recorder(
        self,
        operation: str,
        model: str | None,
        host: str | None,
        port: int | None,
        secrets: Secrets = tuple,
    ) -> Recorder:
        """Return the recorder of requests with these labels.

        Args:
            operation: its name.
            model: the one asked for.
            host: where the request goes.
            port: the same.
            secrets: returns the keys that model and host may repeat.
        """
        found = self._recorders.get((operation, model, host, port))
        if found is not None:
            return found
        name = self.labels.operation(operation)
        asked, server = self.labels.model(model, secrets), self.labels.server(host, port, secrets)
        # By the labels only: raw values could be without number, and could hold a key.
        safe = (name, asked, *server)
        found = self._recorders.get(safe)
        if found is None:
            found = self._recorders.setdefault(safe, Recorder(self, name, asked, server))
        return found

    def auth_failed(self, cause: Cause, now: float | None = None) -> None:
        """Count one authentication failure, in the context of its span.

        Args:
            cause: why.
            now: Unix seconds at which it happened; this moment when absent.
        """
        self.add(AUTH_FAILURES, (cause,))
        self.last_failures[cause] = time.time() if now is None else now

    def accepted(self, now: float | None = None) -> None:
        """Note that a request was accepted; cheap enough for every one.

        Args:
            now: Unix seconds at which it was; this moment when absent.
        """
        self.last_success = time.time() if now is None else now

    def key_checked(self, presence: str, key_format: str, source: str) -> None:
        """Count one key that a constructor took."""
        self.add(KEY_CHECKS, (presence, key_format, source))

    def recovered(self, outcome: RecoveryOutcome, times: int = 1) -> None:
        """Count searches for another key; 0 makes the series exist."""
        self.add(KEY_RECOVERIES, (outcome,), times)

    def tried(self, operation: str) -> None:
        """Make an operation's series exist before its outcome is known."""
        for outcome in ("success", "auth_failure"):
            self.add(REQUESTS, (operation, outcome), 0)

    def retried(self, operation: str, times: int = 1) -> None:
        """Count attempts that the SDK made again by itself."""
        if times:
            self.add(RETRIES, (operation,), times)

    def swallowed(self, stage: Stage) -> None:
        """Count one error of our own."""
        self.add(TELEMETRY_ERRORS, (stage,))
