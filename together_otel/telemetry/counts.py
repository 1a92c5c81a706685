"""Counters that wait for the collection: one dictionary step in the request's path."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from together_otel.forks import in_forked_child
from together_otel.names import AUTH_FAILURES, CAUSES, Metric

if TYPE_CHECKING:
    from together_otel.telemetry.metrics import Labels


class Counts:
    """Monotonic counts by metric and label values, in the order of the metric's attributes.

    Thread-safe. A forked child starts again at zero with the same series, so nothing is
    reported twice and every cause exists there as well.
    """

    def __init__(self) -> None:
        # Reentrant: a garbage collection inside the lock may end an abandoned stream.
        self._lock = threading.RLock()
        self._values: dict[Metric, dict[Labels, int]] = {}
        for cause in CAUSES:
            self.add(AUTH_FAILURES, (cause,), 0)
        in_forked_child(self._after_fork)

    def add(self, metric: Metric, labels: Labels, amount: int = 1) -> None:
        """Add ``amount``; 0 makes the series exist."""
        with self._lock:
            series = self._values.setdefault(metric, {})
            series[labels] = series.get(labels, 0) + amount

    def read(self, metric: Metric) -> list[tuple[Labels, int]]:
        """Return a copy of the series of a metric."""
        with self._lock:
            return list(self._values.get(metric, {}).items())

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        for series in self._values.values():
            for labels in series:
                series[labels] = 0
