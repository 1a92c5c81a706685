"""The Prometheus backend of the metrics: a collector of prometheus_client.

Names, labels and buckets are those of OpenTelemetry's exporter. In prometheus_client's
multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``) the values are also written to files, which
`multiprocess` merges for all processes.
"""

from __future__ import annotations

import logging
import time
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import trace
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from together_otel.forks import ForkSafeLock
from together_otel.guard import warn
from together_otel.names import AUTH_FAILURES, SCOPE, Cause, GenAIMetrics, Metric
from together_otel.telemetry.deferred import DeferredMetrics
from together_otel.telemetry.histograms import Histogram, exemplar
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

_REFRESH = 1.0
"""Minimum seconds between two writes of gauges whose change may wait."""


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
        changed = None
        if files is not None:

            def changed(metric: Metric, labels: Labels, value: float) -> None:
                files.write(metric, labels, (value,))

        super().__init__(
            release,
            chunk_times=chunk_times,
            loss=(_LOSS, lambda: warns and files is None),
            changed=changed,
        )

    # ── in the path of a call ────────────────────────────────────────────────────────

    def auth_failed(self, cause: Cause, now: float | None = None) -> None:
        super().auth_failed(cause, now)
        if self._files is None:
            span_context = trace.get_current_span().get_span_context()
            if isinstance(span_context, trace.SpanContext) and span_context.trace_flags.sampled:
                self._failures[cause,] = span_context, time.time()

    def histogram(self, metric: Metric, labels: Labels) -> Observe:
        series = self._histograms.setdefault(metric, {})
        changed = None if self._files is None else partial(self._files.write, metric, labels)
        return series.setdefault(labels, Histogram(metric.buckets, self._lock, changed)).observe

    def state_changed(self, *, at_once: bool) -> None:
        # Without files, gauges are read at the collection.
        if self._files is not None:
            now = time.monotonic()
            if at_once or now - self._written >= _REFRESH:
                self._written = now
                self._files.write_gauges(self.gauges())

    # ── in a collection ──────────────────────────────────────────────────────────────

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
            if metric.kind == "counter":
                for labels, value in self.counts.read(metric):
                    failed = self._failures.get(labels) if metric is AUTH_FAILURES else None
                    shown = failed and exemplar(failed[0], 1.0, failed[1])
                    named = _named(metric, labels)
                    family.add_sample(metric.prometheus, named, value, exemplar=shown)
            elif metric.kind == "histogram":
                for labels, series in list(self._histograms.get(metric, {}).items()):
                    series.add_to(family, _named(metric, labels))
            else:
                for one in gauges:
                    if one.metric is metric:
                        family.add_sample(metric.prometheus, _named(metric, one.labels), one.value)
            yield family

    # ── where counts are lost ────────────────────────────────────────────────────────

    def lost(self, warning: str, applies: Callable[[], bool]) -> None:
        """Log a warning when this process counts next, if its counts are still lost then."""
        self._loss.suspect(warning, applies)

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
