"""Counters that wait for the collection: one dictionary step in the request's path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.forks import ForkSafeLock
from together_otel.names import AUTH_FAILURES, CAUSES, Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.telemetry.measured import Amount, Labels

    Changed = Callable[[Metric, Labels, float], None]


class Counts:
    """Monotonic counts by metric and label values, in the order of the metric's attributes.

    Thread-safe. Every cause of a failure exists from the start.

    Args:
        changed: called with each new value, in the order of the changes.
    """

    def __init__(self, changed: Changed | None = None) -> None:
        self._changed = changed
        self._lock = ForkSafeLock()
        self._values: dict[Metric, dict[Labels, int]] = {}
        self.add(*((AUTH_FAILURES, (cause,), 0) for cause in CAUSES))

    def add(self, *amounts: Amount) -> None:
        """Add to series; 0 makes one exist."""
        with self._lock:
            for metric, labels, amount in amounts:
                series = self._values.get(metric)
                if series is None:
                    series = self._values[metric] = {}
                series[labels] = value = series.get(labels, 0) + amount
                if self._changed is not None:
                    self._changed(metric, labels, value)

    def read(self, metric: Metric) -> list[tuple[Labels, int]]:
        """Return a copy of the series of a metric."""
        with self._lock:
            return list(self._values.get(metric, {}).items())

    def restart(self) -> None:
        """Begin again at zero, with the same series: nothing is reported twice after a fork."""
        with self._lock:
            for metric, series in self._values.items():
                for labels in series:
                    series[labels] = 0
                    if self._changed is not None:
                        self._changed(metric, labels, 0)
