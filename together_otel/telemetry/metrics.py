"""The interface for recording metrics, independent of the backend that emits them.

Before a request, ``metrics.recorder(…)`` returns the `Recorder` of all requests with its labels,
found by one dictionary lookup; from then on the operation's series exist. At the end,
``recorder.record(Measured(outcome, seconds, …))`` records the request once. If another server
answered than the one requested, use the recorder of that server.

Values are passed raw: `labels` redacts them and limits their number. All methods are thread-safe.
Counters and gauges are kept here. A backend (`otel`, `prometheus`) reads them at a collection, adds
histograms, and is notified of changes that must not wait.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol

from together_otel import names
from together_otel.forks import in_forked_child
from together_otel.guard import Guard
from together_otel.plain import clocks
from together_otel.telemetry.measured import Amount, GaugeValue, KeyUse, Labels, Measured
from together_otel.telemetry.recorder import Recorder, Series, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from together_otel.keys import Secrets
    from together_otel.telemetry.counts import Changed

__all__ = ["KeyUse", "Measured", "Recorder"]  # re-exported

_METRICS = "_together_otel_metrics"


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
        self._last_failures[cause] = clocks.time() if now is None else now
        self.has_failed = True
        self.state_changed(at_once=True)

    def accepted(self, now: float | None = None) -> None:
        """Record that a request was accepted; ``now`` is in Unix seconds."""
        self._last_success = clocks.time() if now is None else now
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
            self._ratelimits[model] = remaining, limit, clocks.time()
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

    def state_changed(self, *, at_once: bool) -> None:
        """Handle a change of the result of `gauges`."""

    def start(self) -> None:
        """Start to emit, or restart after `stop`."""

    def replaced(self) -> None:
        """Emit no more, as other metrics do, perhaps to the same registry."""

    def stop(self) -> None:
        """Stop emitting; counts are kept for another `start`."""
        self.keys_in_use = self.before_collection = tuple

    def read(
        self, metric: names.Metric, gauges: Iterable[GaugeValue]
    ) -> list[tuple[Labels, float]]:
        """Return the series of a counter, or those of a gauge among the series of all gauges."""
        if metric.kind == "counter":
            return self.counts.read(metric)
        return [(one.labels, one.value) for one in gauges if one.metric is metric]

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


class Outlet(Protocol):
    """Exports metrics in addition to a registry or a meter: an HTTP endpoint or export at exit."""

    def start(self) -> None:
        """Start, or restart after `stop`. Never raises."""

    def stop(self) -> None:
        """Stop, and close everything."""


_started: weakref.WeakSet[Metrics] = weakref.WeakSet()


class Backend:
    """The metrics of one ``instrument()`` call and their outlets, which start and stop together."""

    def __init__(self, metrics: Metrics, outlets: tuple[Outlet, ...] = ()) -> None:
        self.metrics = metrics
        self._outlets = (metrics, *outlets)
        # Each by itself: the application's registry may raise.
        self._guard = Guard("patch", metrics.swallowed)

    def start(self) -> None:
        """Start to emit, in place of what was started before."""
        for before in list(_started):
            if before is not self.metrics:
                with self._guard:
                    before.replaced()
        _started.add(self.metrics)
        for one in self._outlets:
            with self._guard:
                one.start()

    def stop(self) -> None:
        """Stop emitting."""
        for one in self._outlets:
            with self._guard:
                one.stop()


def metrics_for(
    owner: object, kind: Hashable, make: Callable[[], Metrics], stand_in: object = None
) -> Any:
    """Return the metrics of one kind that are emitted to ``owner``, created if there are none.

    They outlive ``uninstrument()``, because counters must not decrease and OpenTelemetry cannot
    remove instruments. They are stored on ``owner``, a registry or a meter provider, where a newly
    imported copy of this package finds them, too. Metrics of another kind can exist beside them.
    Those created for ``stand_in``, which stood for ``owner`` at first, are emitted to ``owner``.
    """
    of_stand_in = getattr(stand_in, "__dict__", {}).get(_METRICS, {})
    made: dict[Hashable, Metrics] = getattr(owner, "__dict__", {}).setdefault(_METRICS, of_stand_in)
    if kind not in made:
        made[kind] = make()
    return made[kind]
