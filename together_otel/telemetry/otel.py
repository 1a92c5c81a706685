"""The OpenTelemetry backend of the metrics."""

from __future__ import annotations

import threading
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, set_span_in_context

from together_otel.names import SCOPE
from together_otel.telemetry.deferred import DeferredMetrics
from together_otel.telemetry.otel_series import observer
from together_otel.telemetry.request_metrics import metrics_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from together_otel.names import GenAIMetrics, Metric
    from together_otel.telemetry.measured import Labels
    from together_otel.telemetry.recorder import Observe

_LOSS = (
    "This process was forked from one whose metrics OpenTelemetry's Prometheus exporter serves: "
    "the scrape will not show the counts of this process and its siblings. Set "
    "PROMETHEUS_MULTIPROC_DIR to an empty directory and TOGETHER_OTEL_PROMETHEUS_PORT to a free "
    "port and scrape that port, or export with OTLP (OTEL_METRICS_EXPORTER=otlp)."
)

(_SPAN,) = set_span_in_context(INVALID_SPAN, Context())
"""OpenTelemetry's key for the span in a context."""


class OpenTelemetryMetrics(DeferredMetrics):
    """All instruments of one meter.

    Counters and gauges are observable: a call costs them a dictionary step, they exist at zero from
    the start, and a meter provider that is set after the instrumentation gets the counts from
    before.

    Waiting requests are recorded in the callbacks: the SDK calls these before it reads histograms.
    The provider, ``None`` for the global one, is used after a fork.
    """

    def __init__(
        self,
        meter: Meter,
        provider: MeterProvider | None = None,
        release: GenAIMetrics = "latest",
        *,
        chunk_times: bool = False,
    ) -> None:
        super().__init__(release, chunk_times=chunk_times, loss=(_LOSS, self._is_lost))
        self._on = True
        # Weakly: the provider refers to the instruments, and these refer to this object.
        self._provider = None if provider is None else weakref.ref(provider)
        self._made: set[Metric] = set()
        self._histograms: dict[Metric, Histogram] = {}
        self.choose(meter, release, chunk_times=chunk_times)

    def choose(self, meter: Meter, release: GenAIMetrics, *, chunk_times: bool) -> None:
        """Change the names of the metrics of requests.

        Other metrics of the same meter could not: a meter ignores the callbacks of an observable
        instrument that it has already.
        """
        self.release = release
        self.chunk_times: bool = chunk_times
        self._recorders.clear()
        for metric in metrics_of(release, chunk_times=chunk_times):
            if metric not in self._made:
                self._made.add(metric)
                self._make(meter, metric)

    def _make(self, meter: Meter, metric: Metric) -> None:
        about = (metric.unit, metric.description)
        if metric.kind == "histogram":
            self._histograms[metric] = meter.create_histogram(
                metric.name, *about, explicit_bucket_boundaries_advisory=metric.buckets
            )
        else:
            is_counter = metric.kind == "counter"
            make = meter.create_observable_counter if is_counter else meter.create_observable_gauge
            make(metric.name, [partial(self._observe, metric)], *about)

    def _observe(self, metric: Metric, _options: CallbackOptions) -> Iterable[Observation]:
        self.prepare()
        series = self.read(metric, self.gauges()) if self._on else ()
        return [Observation(value, _attributes(metric, labels)) for labels, value in series]

    def _current_provider(self) -> Any:
        return metrics.get_meter_provider() if self._provider is None else self._provider()

    def _is_lost(self) -> bool:
        return _is_scraped(self._current_provider())

    def _after_fork(self) -> None:
        super()._after_fork()
        _forget_inherited(self._current_provider())

    def start(self) -> None:
        self._on = True

    def replaced(self) -> None:
        self._on = False  # OpenTelemetry cannot remove instruments

    def histogram(self, metric: Metric, labels: Labels) -> Observe:
        return observer(self._histograms[metric], _attributes(metric, labels))

    def exemplar(self, span_context: SpanContext | None) -> Context:
        return Context({} if span_context is None else {_SPAN: NonRecordingSpan(span_context)})


def _attributes(metric: Metric, labels: Labels) -> dict[str, str | int]:
    """Return labels by name, without unknown ones."""
    pairs = zip(metric.attributes, labels, strict=True)
    return {name: value for name, value in pairs if value is not None}


def _is_scraped(provider: Any) -> bool:
    # By name: the exporter may not be installed. A provider's readers have no public API.
    config = getattr(provider, "_sdk_config", None)
    readers = getattr(config, "metric_readers", ()) or getattr(provider, "_metric_readers", ())
    kinds = (kind for reader in readers for kind in type(reader).__mro__)
    return any(kind.__name__ == "PrometheusMetricReader" for kind in kinds)


def _forget_inherited(provider: Any) -> None:
    """Reset in a forked child the values that OpenTelemetry's SDK has of our instruments.

    The child inherits them: it would export its parent's histograms again and, with delta
    temporality, counters reduced by the parent's values.
    """
    # There is no public API. With a different SDK, the inherited values remain.
    # The locks are replaced because a thread of the parent's may have held them at the fork.
    with suppress(AttributeError):
        consumer = provider._measurement_consumer  # noqa: SLF001
        consumer._lock = threading.Lock()  # noqa: SLF001
        for storage in consumer._reader_storages.values():  # noqa: SLF001
            storage._lock = threading.RLock()  # noqa: SLF001
            held = storage._instrument_view_instrument_matches  # noqa: SLF001
            for instrument in [one for one in held if one.instrumentation_scope.name == SCOPE]:
                del held[instrument]
