"""Counters that are read at a collection; adding to one takes a dictionary step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from together_otel.forks import ForkSafeLock
from together_otel.names import AUTH_FAILURES, CAUSES, Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.telemetry.measured import Labels

    Changed = Callable[[Metric, Labels, float], None]


@dataclass(eq=False, slots=True)
class Count:
    """One series, which can be added to without a lookup."""

    metric: Metric
    labels: Labels
    value: int = 0


class Counts:
    """Monotonic counts by metric and label values, in the order of the metric's attributes.

    Thread-safe. The series of every cause of an authentication failure exists from the start.
    ``changed`` is called with each new value, in the order of the changes.
    """

    def __init__(self, changed: Changed | None = None) -> None:
        self._changed = changed
        self._lock = ForkSafeLock()
        self._series: dict[Metric, dict[Labels, Count]] = {}
        for cause in CAUSES:
            self.of(AUTH_FAILURES, (cause,))

    def of(self, metric: Metric, labels: Labels) -> Count:
        """Return a series, created at 0 if needed."""
        found = self._series.get(metric, {}).get(labels)
        if found is None:
            with self._lock:
                series = self._series.setdefault(metric, {})
                found = series.setdefault(labels, Count(metric, labels))
            self.add((found, 0))
        return found

    def add(self, *amounts: tuple[Count, int]) -> None:
        """Add to series."""
        changed = self._changed
        with self._lock:
            for count, amount in amounts:
                count.value += amount
                if changed is not None:
                    changed(count.metric, count.labels, count.value)

    def read(self, metric: Metric) -> list[tuple[Labels, float]]:
        """Return a copy of the series of a metric."""
        with self._lock:
            series = self._series.get(metric, {})
            return [(labels, count.value) for labels, count in series.items()]

    def restart(self) -> None:
        """Reset all series to 0, so that nothing is reported twice after a fork."""
        with self._lock:
            for series in self._series.values():
                for labels, count in series.items():
                    count.value = 0
                    if self._changed is not None:
                        self._changed(count.metric, labels, 0)
