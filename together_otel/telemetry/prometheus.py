"""The contract's metrics on prometheus_client's own instruments.

The same names, labels and buckets as OpenTelemetry's exporter gives; in prometheus_client's
multiprocess mode (``PROMETHEUS_MULTIPROC_DIR``) they are those of all processes together.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from contextlib import suppress
from inspect import getclosurevars
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import format_span_id, format_trace_id
from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.registry import Collector

from together_otel.forks import in_forked_child
from together_otel.names import (
    AUTH_FAILURES,
    CAUSES,
    EXIT_TIMESTAMP,
    FINGERPRINT_LIMIT,
    KEY_INFO,
    KEY_LAST_ACCEPTED,
    KEY_LAST_REFUSED,
    METRICS,
    SCOPE,
    TOKEN_TYPES,
    TOKEN_USAGE,
    Metric,
)
from together_otel.telemetry.metrics import Labels, Metrics, Value
from together_otel.telemetry.prefork import Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.context import Context
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics import MetricWrapperBase
    from prometheus_client.metrics_core import Metric as Family

    from together_otel.names import TokenType

_log = logging.getLogger(f"{SCOPE}.metrics")

_GAUGES = {
    # Of a key in use by any process that lives; of times, the latest of all processes.
    KEY_INFO: "livemax",
    KEY_LAST_ACCEPTED: "max",
    KEY_LAST_REFUSED: "max",
}
"""Gauges → how prometheus_client's multiprocess mode puts those of several processes together."""

_LOSS = (
    "This process was forked, and what it counts is in its own registry only: a scrape that its "
    "parent or a sibling answers shows nothing of it. Set PROMETHEUS_MULTIPROC_DIR to an empty "
    "directory before the service starts, and TOGETHER_OTEL_PROMETHEUS_PORT to a free port to "
    "scrape; or export by OTLP (TOGETHER_OTEL_METRICS=otel, OTEL_METRICS_EXPORTER=otlp)."
)

_REFRESH = 1.0
"""Seconds between two writes of what keys were accepted when, in multiprocess mode."""


def as_exported(family: Family) -> Family:
    """Return a family as OpenTelemetry's exporter gives it.

    prometheus_client adds when a series was made, and writes large bounds of buckets
    otherwise: ``1.048576e+06`` is another label to Prometheus than ``1048576.0``.
    """
    family.samples = [
        sample._replace(labels={**sample.labels, "le": str(float(sample.labels["le"]))})
        if sample.labels.get("le", "+Inf") != "+Inf"
        else sample
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    return family


def is_multiprocess() -> bool:
    """Tell whether prometheus_client keeps its values in files that processes share.

    It decides so when it is first imported.
    """
    return bool(getattr(values.ValueClass, "_multiprocess", False))


class PrometheusMetrics(Metrics, Collector):
    """All instruments, as one collector of a registry.

    Instruments are kept out of the registry and collected through this object, so that what
    prometheus_client adds (``_created``) and OpenTelemetry's exporter does not is left out
    without touching the application's own metrics.

    Args:
        registry: where `start` puts it.
        latest_names: whether names are those of the conventions' development branch.

    Raises:
        OSError: when the files of multiprocess mode cannot be made.
    """

    def __init__(self, registry: CollectorRegistry, *, latest_names: bool = False) -> None:
        super().__init__()
        self._registry = registry
        self._multiprocess = is_multiprocess()
        self._written = float("-inf")
        self._collecting = threading.RLock()
        self._shown: set[str] = set()
        self._instruments: dict[Metric, MetricWrapperBase] = {
            metric: self._make(metric, metric.prometheus_name(latest=latest_names), metric.labels)
            for metric in METRICS
            if metric not in (TOKEN_USAGE, EXIT_TIMESTAMP)
        }
        # With the labels that it has beside those of every call.
        self._histograms: dict[
            tuple[Metric, TokenType | None], tuple[MetricWrapperBase, tuple[str, ...]]
        ] = {
            (metric, None): (instrument, ())
            for metric, instrument in self._instruments.items()
            if metric.kind == "histogram"
        }
        # Of tokens the development branch has a histogram each, without the label.
        if latest_names:
            for kind in TOKEN_TYPES:
                name = TOKEN_USAGE.prometheus_name(latest=True, kind=kind)
                one = self._make(TOKEN_USAGE, name, TOKEN_USAGE.labels[:-1])
                self._histograms[TOKEN_USAGE, kind] = one, ()
        else:
            tokens = self._make(TOKEN_USAGE, TOKEN_USAGE.prometheus, TOKEN_USAGE.labels)
            for kind in TOKEN_TYPES:
                self._histograms[TOKEN_USAGE, kind] = tokens, (kind,)
        self._children: dict[MetricWrapperBase, dict[Labels, Any]] = defaultdict(dict)
        self._loss = Loss(_LOSS, lambda: not self._multiprocess)
        self._zero()
        in_forked_child(self._after_fork)

    def _make(self, metric: Metric, name: str, labels: tuple[str, ...]) -> MetricWrapperBase:
        if metric.kind == "counter":
            return Counter(name.removesuffix("_total"), metric.description, labels, registry=None)
        if metric.kind == "gauge":
            return Gauge(
                name,
                metric.description,
                labels,
                registry=None,
                multiprocess_mode=_GAUGES[metric],  # type: ignore[arg-type]  # its own words
            )
        return Histogram(name, metric.description, labels, registry=None, buckets=metric.buckets)

    def _zero(self) -> None:
        for cause in CAUSES:
            self.add(AUTH_FAILURES, (cause,), 0)

    # ── in the path of a call ────────────────────────────────────────────────────────

    def _child(self, instrument: MetricWrapperBase, labels: Labels) -> Any:
        children = self._children[instrument]
        child = children.get(labels)
        if child is None:
            texts = ("" if value is None else str(value) for value in labels)
            child = children[labels] = instrument.labels(*texts)
        return child

    def add(self, metric: Metric, labels: Labels, amount: int = 1) -> None:
        """See `Metrics.add`; a failure of a sampled span has its trace as exemplar."""
        if self._loss.unchecked and amount:
            self._loss.check()
        child = self._child(self._instruments[metric], labels)
        if metric is AUTH_FAILURES and amount:
            child.inc(amount, _exemplar(None))
        else:
            child.inc(amount)

    def record(self, values: Iterable[Value], labels: Labels, context: Context) -> None:
        """See `Metrics.record`; the trace of a sampled span is the exemplar."""
        exemplar = None if self._multiprocess else _exemplar(context)
        for metric, kind, value in values:
            instrument, further = self._histograms[metric, kind]
            self._child(instrument, labels + further).observe(value, exemplar)

    def keys_changed(self, *, at_once: bool) -> None:
        """See `Metrics.keys_changed`: elsewhere, gauges wait for the collection."""
        if self._multiprocess:
            now = time.monotonic()
            if at_once or now - self._written >= _REFRESH:
                self._written = now
                self._show_keys()

    def _show_keys(self) -> None:
        for use in self.keys_in_use():
            # In files a series cannot be taken away again.
            if use.fingerprint not in self._shown and len(self._shown) >= FINGERPRINT_LIMIT:
                continue
            self._shown.add(use.fingerprint)
            self._set(KEY_INFO, (use.fingerprint, use.format, use.source), 1)
            self._set(KEY_LAST_ACCEPTED, (use.fingerprint,), use.last_accepted)
            self._set(KEY_LAST_REFUSED, (use.fingerprint,), use.last_refused)

    def _set(self, metric: Metric, labels: Labels, value: float | None) -> None:
        if value is not None:
            self._child(self._instruments[metric], labels).set(value)

    # ── in a collection ──────────────────────────────────────────────────────────────

    def start(self) -> None:
        """See `Metrics.start`: be found in the registry."""
        try:
            self._registry.register(self)
        except ValueError as exc:
            _log.warning("Together's metrics are not in the registry of prometheus_client: %s", exc)

    def stop(self) -> None:
        """See `Metrics.stop`."""
        # It raises KeyError when somebody else took it out.
        if self in self._registry._collector_to_names:  # noqa: SLF001 - there is no public question
            self._registry.unregister(self)

    def collect(self) -> Iterable[Family]:
        """Return the families of all metrics as they are now, without those that are empty."""
        with self._collecting:
            if not self._multiprocess:
                self._forget_keys()
                self._show_keys()
            return [family for family in self.describe() if family.samples]

    def describe(self) -> Iterable[Family]:
        """Return all families, without looking at keys: a registry asks for their names."""
        for instrument in (
            *self._instruments.values(),
            *dict.fromkeys(self._histograms[TOKEN_USAGE, kind][0] for kind in TOKEN_TYPES),
        ):
            yield from map(as_exported, instrument.collect())

    def _forget_keys(self) -> None:
        self._shown.clear()
        for metric in _GAUGES:
            instrument = self._instruments[metric]
            instrument.clear()
            self._children[instrument].clear()

    # ── where counts are lost ────────────────────────────────────────────────────────

    def lost(self, warning: str, applies: Callable[[], bool]) -> None:
        """Warn, once this process counts, that no scrape shows it, if it is so by then."""
        self._loss.suspect(warning, applies)

    def _after_fork(self) -> None:
        # Any lock may have been held by a thread of the parent, which is not in this process.
        self._collecting = threading.RLock()
        histograms = (histogram for histogram, _ in self._histograms.values())
        instruments = {*self._instruments.values(), *histograms}
        for instrument in instruments:
            instrument._lock = threading.Lock()  # noqa: SLF001 - no public way
        if self._multiprocess:
            _free_files()
            self._written = float("-inf")
            # Its values notice the fork at the next write, and are then 0 in files of its own.
            self._zero()
            for child in self._children[self._instruments[KEY_INFO]].values():
                child.set(1)
            return
        counters = [metric for metric in METRICS if metric.kind == "counter"]
        known = [(one, list(self._children[self._instruments[one]])) for one in counters]
        self._children.clear()
        for instrument in instruments:
            instrument.clear()
        for metric, series in known:
            for labels in series:
                self.add(metric, labels, 0)


def _exemplar(context: Context | None) -> dict[str, str] | None:
    found = trace.get_current_span(context).get_span_context()
    if not found.trace_flags.sampled:
        return None
    return {
        "trace_id": format_trace_id(found.trace_id),
        "span_id": format_span_id(found.span_id),
    }


def _free_files() -> None:
    # One lock for all values of the process, inside a closure: there is no public way to it.
    with suppress(AttributeError, KeyError):
        lock = getclosurevars(values.ValueClass.inc).nonlocals["lock"]
        if lock.locked():
            lock.release()
