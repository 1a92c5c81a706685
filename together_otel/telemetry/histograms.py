"""Histograms in memory for the Prometheus backend."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id
from prometheus_client.samples import Exemplar

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.metrics_core import Metric as Family

    from together_otel.forks import ForkSafeLock


class Histogram:
    """One series of a histogram, thread-safe.

    ``bounds`` are the upper bounds of its buckets, except the last one (infinity). ``changed`` is
    called with `values` and the indexes of those that changed.
    """

    __slots__ = ("_bounds", "_changed", "_exemplars", "_lock", "values")

    def __init__(
        self,
        bounds: tuple[float, ...],
        lock: ForkSafeLock,
        changed: Callable[[list[float], tuple[int, int]], None] | None,
    ) -> None:
        self._bounds, self._changed = bounds, changed
        self._lock = lock
        self._exemplars: dict[int, tuple[SpanContext, float, float]] = {}
        self.values: list[float] = [0.0] * (len(bounds) + 2)
        """The sum, then the count of each bucket (not cumulative)."""

    def observe(self, value: float, span_context: SpanContext | None) -> None:
        """Add a value, with the span as its exemplar if that is sampled."""
        place = bisect_left(self._bounds, value) + 1
        values = self.values
        with self._lock:
            values[0] += value
            values[place] += 1
            if self._changed is not None:
                self._changed(values, (0, place))
            elif span_context is not None and span_context.trace_flags.sampled:
                self._exemplars[place] = span_context, value, time.time()

    def restart(self) -> None:
        """Reset to zero."""
        self.values[:] = [0.0] * len(self.values)
        self._exemplars.clear()

    def add_to(self, family: Family, labels: dict[str, str]) -> None:
        """Add the samples of the series to a family, unless the series is empty."""
        with self._lock:
            total, *counts = self.values
            exemplars = dict(self._exemplars)
        if not any(counts):
            return
        name, count = family.name, 0.0
        for place, (bound, more) in enumerate(zip((*self._bounds, None), counts, strict=True), 1):
            count += more
            found = exemplars.get(place)
            le = "+Inf" if bound is None else str(bound)
            shown = found and exemplar(*found)
            family.add_sample(f"{name}_bucket", {**labels, "le": le}, count, exemplar=shown)
        family.add_sample(f"{name}_count", labels, count)
        family.add_sample(f"{name}_sum", labels, total)


def exemplar(span_context: SpanContext, value: float, now: float) -> Exemplar:
    """Return a span as an exemplar of prometheus_client."""
    labels = {
        "trace_id": format_trace_id(span_context.trace_id),
        "span_id": format_span_id(span_context.span_id),
    }
    return Exemplar(labels, value, now)
