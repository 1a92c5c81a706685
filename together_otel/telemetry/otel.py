"""The contract's metrics through the OpenTelemetry API."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics
from opentelemetry.metrics import Observation

from together_otel.forks import in_forked_child
from together_otel.names import (
    AUTH_FAILURES,
    CALL_LABELS,
    DURATION,
    KEY_CHECKS,
    KEY_INFO,
    KEY_LAST_ACCEPTED,
    KEY_LAST_REFUSED,
    KEY_RECOVERIES,
    REQUESTS,
    RETRIES,
    TELEMETRY_ERRORS,
    TIME_PER_OUTPUT_CHUNK,
    TIME_TO_FIRST_CHUNK,
    TOKEN_TYPE,
    TOKEN_TYPES,
    TOKEN_USAGE,
    Metric,
)
from together_otel.telemetry.counts import Counts
from together_otel.telemetry.metrics import KeyUse, Labels, Metrics, Value
from together_otel.telemetry.prefork import Loss, forget_inherited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider

    from together_otel.names import TokenType

_LOSS = (
    "This process was forked from one whose metrics OpenTelemetry's Prometheus exporter serves: "
    "the scrape will show nothing of what this process and its siblings count. Set "
    "PROMETHEUS_MULTIPROC_DIR to an empty directory and TOGETHER_OTEL_PROMETHEUS_PORT to a free "
    "port and scrape that, or export by OTLP (OTEL_METRICS_EXPORTER=otlp)."
)

COUNTERS = (AUTH_FAILURES, KEY_CHECKS, REQUESTS, RETRIES, KEY_RECOVERIES, TELEMETRY_ERRORS)
DURATIONS = (DURATION, TIME_TO_FIRST_CHUNK, TIME_PER_OUTPUT_CHUNK)


class OpenTelemetryMetrics(Metrics):
    """All instruments of one meter.

    Counters and gauges are observable: a call costs them a dictionary step, they exist at
    zero from the start, and a meter provider set later than the instrumentation finds the
    counts made before it.

    Args:
        meter: that makes the instruments.
        provider: the meter's, looked at when a process forks; ``None`` is the global one.
        latest_names: whether names are those of the conventions' development branch.
    """

    def __init__(
        self, meter: Meter, provider: MeterProvider | None = None, *, latest_names: bool = False
    ) -> None:
        super().__init__()
        self.counts = Counts()
        self._on = True
        self._provider = provider
        self._loss = Loss(_LOSS, lambda: self._on and _is_scraped(self._current_provider()))
        in_forked_child(self._after_fork)
        for metric in COUNTERS:
            meter.create_observable_counter(
                metric.name, [self._counter(metric)], metric.unit, metric.description
            )
        for metric, observe in (
            (KEY_INFO, lambda use: (1, (use.fingerprint, use.format, use.source))),
            (KEY_LAST_ACCEPTED, lambda use: (use.last_accepted, (use.fingerprint,))),
            (KEY_LAST_REFUSED, lambda use: (use.last_refused, (use.fingerprint,))),
        ):
            meter.create_observable_gauge(
                metric.name, [self._gauge(metric, observe)], metric.unit, metric.description
            )

        def histogram(metric: Metric, name: str) -> Histogram:
            return meter.create_histogram(
                name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.buckets,
            )

        # With the type of tokens where that is a label.
        self._histograms: dict[
            tuple[Metric, TokenType | None], tuple[Histogram, TokenType | None]
        ] = {
            (metric, None): (
                histogram(metric, metric.latest if latest_names else metric.name),
                None,
            )
            for metric in DURATIONS
        }
        # Of tokens the development branch has a histogram each, without the label.
        if latest_names:
            for kind in TOKEN_TYPES:
                one = histogram(TOKEN_USAGE, TOKEN_USAGE.latest.format(kind))
                self._histograms[TOKEN_USAGE, kind] = one, None
        else:
            tokens = histogram(TOKEN_USAGE, TOKEN_USAGE.name)
            for kind in TOKEN_TYPES:
                self._histograms[TOKEN_USAGE, kind] = tokens, kind

    def _counter(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(value, dict(zip(metric.attributes, labels, strict=True)))
                for labels, value in (self.counts.read(metric) if self._on else ())
            ]

        return observe

    def _gauge(
        self, metric: Metric, of: Callable[[KeyUse], tuple[float | None, tuple[str, ...]]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(value, dict(zip(metric.attributes, labels, strict=True)))
                for value, labels in map(of, self.keys_in_use() if self._on else ())
                if value is not None
            ]

        return observe

    def _current_provider(self) -> MeterProvider:
        return self._provider or metrics.get_meter_provider()

    def _after_fork(self) -> None:
        forget_inherited(self._current_provider())

    def start(self) -> None:
        """See `Metrics.start`."""
        self._on = True

    def stop(self) -> None:
        """See `Metrics.stop`: OpenTelemetry cannot take instruments away."""
        self._on = False

    def add(self, metric: Metric, labels: Labels, amount: int = 1) -> None:
        """See `Metrics.add`."""
        if self._loss.unchecked:
            self._loss.check()
        self.counts.add(metric, labels, amount)

    def record(self, values: Iterable[Value], labels: Labels, context: Context) -> None:
        """See `Metrics.record`."""
        attributes = _attributes(labels)
        for metric, kind, value in values:
            histogram, label = self._histograms[metric, kind]
            histogram.record(value, attributes[label], context)


def _is_scraped(provider: Any) -> bool:
    # By name: the exporter may not be installed. There is no public way to a provider's readers.
    config = getattr(provider, "_sdk_config", None)
    readers = getattr(config, "metric_readers", ()) or getattr(provider, "_metric_readers", ())
    kinds = (kind for reader in readers for kind in type(reader).__mro__)
    return any(kind.__name__ == "PrometheusMetricReader" for kind in kinds)


@lru_cache(maxsize=1024)
def _attributes(labels: Labels) -> dict[TokenType | None, dict[str, str | int]]:
    """Return labels by name, by the type of tokens that is one more; the SDK only reads them.

    Those that are not known are left out.
    """
    known = {
        name: value for name, value in zip(CALL_LABELS, labels, strict=True) if value is not None
    }
    return {None: known, **{kind: {**known, TOKEN_TYPE: kind} for kind in TOKEN_TYPES}}
