"""The interface for recording metrics, independent of the backend that emits them.

How a call is recorded:

1. Before the request, ``recorder = metrics.recorder(operation, model, host, port, secrets)``
   returns the `Recorder` of all requests with these labels. It is created once and then found by
   one dictionary lookup. From then on the operation's series exist.
2. ``recorder.retried(times)`` counts the SDK's retries. ``recorder.ratelimits(…)`` records the
   server's rate limits.
3. A stream calls ``recorder.chunk_times(response_model, span_context)`` after its first chunk. The
   result is ``None`` unless TOGETHER_OTEL_CHUNK_TIMES is on; else it is a function to call with the
   seconds between two chunks.
4. At the end, ``recorder.record(Measured(outcome, seconds, …), secrets)`` records the request once.
   If another server answered than the one requested, use the recorder of that server.

``metrics.auth_failed(cause)`` and ``metrics.accepted(now)`` count and export the state of
authentication. Values are passed raw: `labels` redacts them and limits their number. All methods
are thread-safe.

Counters and gauges are kept here. A backend (`otel`, `prometheus`) reads them at a collection, adds
histograms, and is notified of changes that must not wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from together_otel import names
from together_otel.forks import in_forked_child
from together_otel.telemetry.measured import Amount, GaugeValue, KeyUse, Labels, Measured
from together_otel.telemetry.recorder import Recorder, Series, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from together_otel.keys import Secrets
    from together_otel.telemetry.counts import Changed

__all__ = ["KeyUse", "Labels", "Measured", "Metrics", "NoMetrics", "Recorder"]


class Metrics(Store):
    """Records all metrics by methods for what happens; without a backend, nothing emits them.

    Attributes:
        keys_in_use: returns the keys in use; set by the owner of the keys, called at a collection.
        has_failed: whether no request was accepted since the start or an authentication failure.
        before_collection: called before each collection, to record values that wait for it.
    """

    def __init__(
        self,
        release: names.GenAIMetrics = "latest",
        *,
        chunk_times: bool = False,
        changed: Changed | None = None,
    ) -> None:
        super().__init__(release, chunk_times=chunk_times, changed=changed)
        self.keys_in_use: Callable[[], Iterable[KeyUse]] = tuple
        self.before_collection: Callable[[], object] = tuple
        self._recorders: dict[Labels, Recorder] = {}
        self._forget_state()
        in_forked_child(self._after_fork)

    def _forget_state(self) -> None:
        self._last_failures: dict[names.Cause, float] = {}
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

        ``secrets`` are keys that model and host may contain.
        """
        found = self._recorders.get((operation, model, host, port))
        if found is not None:
            return found
        name = self.labels.operation(operation)
        asked, server = self.labels.model(model, secrets), self.labels.server(host, port, secrets)
        # Stored by labels only: raw values are unbounded and may contain a key.
        safe = (name, asked, *server)
        found = self._recorders.get(safe)
        if found is None:
            found = self._recorders.setdefault(safe, Recorder(self, name, asked, server))
        return found

    def auth_failed(self, cause: names.Cause, now: float | None = None) -> None:
        """Count one authentication failure in its span's context; ``now`` is in Unix seconds."""
        self.add((names.AUTH_FAILURES, (cause,), 1))
        self._last_failures[cause] = time.time() if now is None else now
        self.has_failed = True
        self.state_changed(at_once=True)

    def accepted(self, now: float | None = None) -> None:
        """Record that a request was accepted; ``now`` is in Unix seconds."""
        self._last_success = time.time() if now is None else now
        # A success after a failure resolves an alert.
        at_once, self.has_failed = self.has_failed, False
        self.state_changed(at_once=at_once)

    def keys_changed(self, *, at_once: bool) -> None:
        """Report a change of `keys_in_use`, at once if the process may end because of it."""
        self.state_changed(at_once=at_once)

    def ratelimits_changed(
        self, model: str | None, remaining: float | None, limit: float | None
    ) -> None:
        """Record a model's rate limits, in requests; ``model`` is its label."""
        if remaining is not None or limit is not None:
            self._ratelimits[model] = remaining, limit, time.time()
            self.state_changed(at_once=False)

    def key_checked(self, presence: str, key_format: str, source: str) -> None:
        """Count one key that was passed to a constructor."""
        self.add((names.KEY_CHECKS, (presence, key_format, source), 1))

    def recovered(self, outcome: names.RecoveryOutcome, times: int = 1) -> None:
        """Count searches for another key; 0 creates the series."""
        self.add((names.KEY_RECOVERIES, (outcome,), times))

    def swallowed(self, stage: names.Stage) -> None:
        """Count one internal error of this package."""
        self.add((names.TELEMETRY_ERRORS, (stage,), 1))

    # ── what a backend adds ──────────────────────────────────────────────────────────

    def state_changed(self, *, at_once: bool) -> None:
        """Handle a change of the result of `gauges`."""

    def start(self) -> None:
        """Start to emit, or restart after `stop`."""

    def stop(self) -> None:
        """Stop emitting; counts are kept for another `start`."""
        self.keys_in_use = self.before_collection = tuple

    # ── in a collection ──────────────────────────────────────────────────────────────

    def gauges(self) -> Iterator[GaugeValue]:
        """Yield the current series of all gauges."""
        for cause, failed in list(self._last_failures.items()):
            yield GaugeValue(names.AUTH_LAST_FAILURE, (cause,), failed)
        if self._last_success is not None:
            yield GaugeValue(names.AUTH_LAST_SUCCESS, (), self._last_success)
        for model, (remaining, limit, noted) in list(self._ratelimits.items()):
            if remaining is not None:
                yield GaugeValue(names.RATELIMIT_REMAINING, (model,), remaining, noted)
            if limit is not None:
                yield GaugeValue(names.RATELIMIT_LIMIT, (model,), limit, noted)
        for use in self.keys_in_use():
            yield GaugeValue(names.KEY_INFO, (use.fingerprint, use.format, use.source), 1)
            if use.last_accepted is not None:
                yield GaugeValue(names.KEY_LAST_ACCEPTED, (use.fingerprint,), use.last_accepted)
            if use.last_refused is not None:
                yield GaugeValue(names.KEY_LAST_REFUSED, (use.fingerprint,), use.last_refused)

    def _after_fork(self) -> None:
        self._forget_state()
        self.counts.restart()


class NoMetrics(Metrics):
    """Used if metrics are disabled: neither counts nor records requests."""

    def add(self, *amounts: Amount) -> None:
        """Do nothing."""

    def submit(self, series: Series, measured: Measured) -> None:
        """Do nothing."""
