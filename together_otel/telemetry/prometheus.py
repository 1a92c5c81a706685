"""The Prometheus backend of the metrics: a collector of prometheus_client.

Names, labels and buckets are those of OpenTelemetry's exporter. In prometheus_client's
multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``) the values are also written to files, which
`multiprocess` merges for all processes.
"""

from __future__ import annotations

import logging
import weakref
from bisect import bisect_left
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import trace
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from together_otel.forks import ForkSafeLock
from together_otel.guard import warn
from together_otel.names import AUTH_FAILURES, SCOPE, Cause, GenAIMetrics, Metric
from together_otel.plain import clocks
from together_otel.telemetry.deferred import DeferredMetrics
from together_otel.telemetry.request_metrics import metrics_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.trace import SpanContext
    from prometheus_client import CollectorRegistry

    from together_otel.telemetry.measured import GaugeValue, Labels
    from together_otel.telemetry.recorder import Observe
    from together_otel.telemetry.value_files import ProcessFiles

_log = logging.getLogger(f"{SCOPE}.metrics")

_LOSS = (
    "This process was forked, and what it counts is in its own registry only: a scrape that its "
    "parent or a sibling answers shows nothing of it. Set PROMETHEUS_MULTIPROC_DIR to an empty "
    "directory before the service starts, and TOGETHER_OTEL_PROMETHEUS_PORT to a free port to "
    "scrape; or export by OTLP (TOGETHER_OTEL_METRICS=otel, OTEL_METRICS_EXPORTER=otlp)."
)

_REFRESH = 1.0  # minimum seconds between two writes of gauges whose change may wait


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
                self._exemplars[place] = span_context, value, clocks.time()

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
            shown = found and _exemplar(*found)
            family.add_sample(f"{name}_bucket", {**labels, "le": le}, count, exemplar=shown)
        family.add_sample(f"{name}_count", labels, count)
        family.add_sample(f"{name}_sum", labels, total)


def _exemplar(span_context: SpanContext, value: float, now: float) -> Exemplar:
    """Return a span as an exemplar of prometheus_client."""
    labels = {
        "trace_id": trace.format_trace_id(span_context.trace_id),
        "span_id": trace.format_span_id(span_context.span_id),
    }
    return Exemplar(labels, value, now)


class PrometheusMetrics(DeferredMetrics, Collector):
    """All metrics, as one collector of the registry in which `start` registers it.

    In multiprocess mode, ``files`` are those of this process. ``warns`` is whether a forked child
    whose counts no scrape shows logs a warning.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        release: GenAIMetrics = "latest",
        *,
        chunk_times: bool = False,
        files: ProcessFiles | None = None,
        warns: bool = True,
    ) -> None:
        # Weakly: the registry refers to this object.
        self._registry = weakref.ref(registry)
        self._files = files
        self._lock = ForkSafeLock()
        self._written = float("-inf")
        self._histograms: dict[Metric, dict[Labels, Histogram]] = {}
        self._failures: dict[Labels, tuple[SpanContext, float]] = {}
        self._metrics = metrics_of(release, chunk_times=chunk_times)
        super().__init__(
            release,
            chunk_times=chunk_times,
            loss=(_LOSS, lambda: warns and files is None),
            changed=None
            if files is None
            else lambda metric, labels, value: files.write(metric, labels, (value,)),
        )

    def auth_failed(self, cause: Cause, now: float | None = None) -> None:
        super().auth_failed(cause, now)
        if self._files is None:
            span_context = trace.get_current_span().get_span_context()
            if isinstance(span_context, trace.SpanContext) and span_context.trace_flags.sampled:
                self._failures[cause,] = span_context, clocks.time()

    def histogram(self, metric: Metric, labels: Labels) -> Observe:
        series = self._histograms.setdefault(metric, {})
        changed = None if self._files is None else partial(self._files.write, metric, labels)
        return series.setdefault(labels, Histogram(metric.buckets, self._lock, changed)).observe

    def state_changed(self, *, at_once: bool) -> None:
        # Without files, gauges are read at the collection.
        if self._files is not None:
            now = clocks.monotonic()
            if at_once or now - self._written >= _REFRESH:
                self._written = now
                self._files.write_gauges(self.gauges())

    def start(self) -> None:
        registry = self._registry()
        if registry is None:
            return
        try:
            registry.register(self)
        except ValueError as exc:
            warn(_log, "The metrics cannot be registered in prometheus_client's registry: %s", exc)

    def stop(self) -> None:
        try:
            if (registry := self._registry()) is not None:
                with suppress(KeyError):  # already unregistered
                    registry.unregister(self)
        finally:
            super().stop()

    def collect(self) -> Iterable[Family]:
        """Return the current families of all metrics, without empty ones."""
        self.prepare()
        gauges = list(self.gauges())
        return [family for family in self._families(gauges) if family.samples]

    def describe(self) -> Iterable[Family]:
        """Return all families without values, which a registry needs for their names."""
        return [_family(metric) for metric in self._metrics]

    def _families(self, gauges: list[GaugeValue]) -> Iterable[Family]:
        for metric in self._metrics:
            family = _family(metric)
            if metric.kind == "histogram":
                for labels, series in list(self._histograms.get(metric, {}).items()):
                    series.add_to(family, _named(metric, labels))
            else:
                for labels, value in self.read(metric, gauges):
                    failed = self._failures.get(labels) if metric is AUTH_FAILURES else None
                    shown = failed and _exemplar(failed[0], 1.0, failed[1])
                    named = _named(metric, labels)
                    family.add_sample(metric.prometheus, named, value, exemplar=shown)
            yield family

    def _after_fork(self) -> None:
        self._failures.clear()
        for series in self._histograms.values():
            for one in series.values():
                one.restart()
        super()._after_fork()
        # The parent's keys are in use here as well. Their next change must not wait.
        self.state_changed(at_once=True)
        self._written = float("-inf")


def _family(metric: Metric) -> Family:
    return Family(metric.prometheus.removesuffix("_total"), metric.description, metric.kind)


def _named(metric: Metric, labels: Labels) -> dict[str, str]:
    texts = ("" if label is None else str(label) for label in labels)
    return dict(zip(metric.labels, texts, strict=True))
