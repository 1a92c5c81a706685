"""What is counted and measured, whichever backend emits it.

How a call is recorded:

1. Before the request, ``recorder = metrics.recorder(operation, model, host, port, secrets)``
   returns the `Recorder` of all requests with these labels. It is made once and found again by
   one dictionary step. From then on the operation's series exist.
2. ``recorder.retried(times)`` counts the SDK's own attempts, ``recorder.ratelimits(…)`` what the
   server allows.
3. A stream asks ``recorder.chunk_times(response_model, span_context)`` after its first chunk. The
   result is ``None`` unless TOGETHER_OTEL_CHUNK_TIMES is on; else it is called with the seconds
   between two chunks.
4. At the end, ``recorder.record(Measured(outcome, seconds, …), secrets)`` records the request, once.
   Where the request was answered by another server than asked, take that server's recorder.

``metrics.auth_failed(cause)`` and ``metrics.accepted(now)`` count and export the state of
authentication. Values are passed raw: `labels` makes them safe and limits their number. All
methods can be called from any thread.

Counters and gauges are kept here and read at a collection. A backend (`otel`, `prometheus`) reads
them, adds histograms, and is told of what may not wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from together_otel.forks import in_forked_child
from together_otel.names import (
    AUTH_FAILURES,
    AUTH_LAST_FAILURE,
    AUTH_LAST_SUCCESS,
    KEY_CHECKS,
    KEY_INFO,
    KEY_LAST_ACCEPTED,
    KEY_LAST_REFUSED,
    KEY_RECOVERIES,
    RATELIMIT_LIMIT,
    RATELIMIT_REMAINING,
    TELEMETRY_ERRORS,
    Cause,
    GenAIMetrics,
    Metric,
    RecoveryOutcome,
    Stage,
)
from together_otel.telemetry.counts import Counts
from together_otel.telemetry.measured import Amount, GaugeValue, KeyUse, Labels, Measured
from together_otel.telemetry.recorder import Recorder, Series, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from together_otel.keys import Secrets
    from together_otel.telemetry.counts import Changed, Count

__all__ = ["KeyUse", "Labels", "Measured", "Metrics", "NoMetrics", "Recorder"]


class Metrics(Store):
    """The contract's metrics in the words of what happens; without a backend, nothing emits them.

    Args:
        release: of the GenAI conventions, whose names are used.
        chunk_times: whether each chunk of a stream is recorded.
        changed: called with each new value of a counter.

    Attributes:
        keys_in_use: set by who knows the keys; asked at each collection.
        has_failed: whether an authentication failed, and no request was accepted since.
        before_collection: set by who has something to record before one; called at each.
    """

    def __init__(
        self,
        release: GenAIMetrics = "latest",
        *,
        chunk_times: bool = False,
        changed: Changed | None = None,
    ) -> None:
        super().__init__(release, chunk_times=chunk_times)
        self.keys_in_use: Callable[[], Iterable[KeyUse]] = tuple
        self.before_collection: Callable[[], object] = tuple
        self.counts: Counts = Counts(changed)
        self._recorders: dict[Labels, Recorder] = {}
        self._forget_state()
        in_forked_child(self._after_fork)

    def _forget_state(self) -> None:
        self._last_failures: dict[Cause, float] = {}
        self._last_success: float | None = None
        self.has_failed: bool = True
        self._ratelimits: dict[str | None, tuple[float | None, float | None, float]] = {}

    # ── in the path of a call ────────────────────────────────────────────────────────

    def recorder(
        self,
        operation: str,
        model: str | None,
        host: str | None,
        port: int | None,
        secrets: Secrets = (),
    ) -> Recorder:
        """Return the recorder of requests with these labels.

        Args:
            operation: its name.
            model: the one asked for.
            host: where the request goes.
            port: the same.
            secrets: the keys that model and host may repeat.
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
        self.add((AUTH_FAILURES, (cause,), 1))
        self._last_failures[cause] = time.time() if now is None else now
        self.has_failed = True
        self.state_changed(at_once=True)

    def accepted(self, now: float | None = None) -> None:
        """Note that a request was accepted.

        Args:
            now: Unix seconds at which it was; this moment when absent.
        """
        self._last_success = time.time() if now is None else now
        # A success after a failure is what ends an alert.
        at_once, self.has_failed = self.has_failed, False
        self.state_changed(at_once=at_once)

    def keys_changed(self, *, at_once: bool) -> None:
        """Note that `keys_in_use` says something new.

        Args:
            at_once: whether it may not wait: a process may die of what has happened.
        """
        self.state_changed(at_once=at_once)

    def ratelimits_changed(
        self, model: str | None, remaining: float | None, limit: float | None
    ) -> None:
        """Note what the server said of a model, whose label is given, in requests."""
        if remaining is not None or limit is not None:
            self._ratelimits[model] = remaining, limit, time.time()
            self.state_changed(at_once=False)

    def key_checked(self, presence: str, key_format: str, source: str) -> None:
        """Count one key that a constructor took."""
        self.add((KEY_CHECKS, (presence, key_format, source), 1))

    def recovered(self, outcome: RecoveryOutcome, times: int = 1) -> None:
        """Count searches for another key; 0 makes the series exist."""
        self.add((KEY_RECOVERIES, (outcome,), times))

    def swallowed(self, stage: Stage) -> None:
        """Count one error of our own."""
        self.add((TELEMETRY_ERRORS, (stage,), 1))

    def add(self, *amounts: Amount) -> None:
        """Add to counters; 0 makes a series exist."""
        self.count(
            *((self.counts.of(metric, labels), amount) for metric, labels, amount in amounts)
        )

    def series(self, metric: Metric, labels: Labels) -> Count:
        """Return a series of a counter, for `count`; from then on it exists."""
        return self.counts.of(metric, labels)

    def count(self, *amounts: tuple[Count, int]) -> None:
        """Add to series of counters."""
        self.counts.add(*amounts)

    # ── what a backend adds ──────────────────────────────────────────────────────────

    def state_changed(self, *, at_once: bool) -> None:
        """Note that `gauges` returns something new."""

    def start(self) -> None:
        """Begin to emit, or go on after `stop`."""

    def stop(self) -> None:
        """Emit no more; what was counted is kept for another `start`."""
        self.keys_in_use = self.before_collection = tuple

    # ── in a collection ──────────────────────────────────────────────────────────────

    def gauges(self) -> Iterator[GaugeValue]:
        """Return the series of all gauges as they are now."""
        for cause, failed in list(self._last_failures.items()):
            yield GaugeValue(AUTH_LAST_FAILURE, (cause,), failed)
        if self._last_success is not None:
            yield GaugeValue(AUTH_LAST_SUCCESS, (), self._last_success)
        for model, (remaining, limit, noted) in list(self._ratelimits.items()):
            if remaining is not None:
                yield GaugeValue(RATELIMIT_REMAINING, (model,), remaining, noted)
            if limit is not None:
                yield GaugeValue(RATELIMIT_LIMIT, (model,), limit, noted)
        for use in self.keys_in_use():
            yield GaugeValue(KEY_INFO, (use.fingerprint, use.format, use.source), 1)
            if use.last_accepted is not None:
                yield GaugeValue(KEY_LAST_ACCEPTED, (use.fingerprint,), use.last_accepted)
            if use.last_refused is not None:
                yield GaugeValue(KEY_LAST_REFUSED, (use.fingerprint,), use.last_refused)

    def _after_fork(self) -> None:
        self._forget_state()
        self.counts.restart()


class NoMetrics(Metrics):
    """Where metrics are switched off: nothing is kept."""

    def add(self, *amounts: Amount) -> None:
        """Do nothing."""

    def submit(self, series: Series, measured: Measured) -> None:
        """Do nothing."""
