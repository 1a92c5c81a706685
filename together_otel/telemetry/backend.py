"""Which backend emits the metrics, made once for each place that they are emitted to."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from opentelemetry import metrics

from together_otel.telemetry.metrics import Metrics
from together_otel.telemetry.otel import OpenTelemetryMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.metrics import MeterProvider
    from prometheus_client import CollectorRegistry

    from together_otel.settings import Settings
    from together_otel.telemetry.exit_export import ExitExport
    from together_otel.telemetry.http_endpoint import Scrape

_made: weakref.WeakKeyDictionary[MeterProvider, dict[bool, Metrics]] = weakref.WeakKeyDictionary()
"""By provider: OpenTelemetry cannot remove instruments, and counters never fall."""


class Backend:
    """The metrics of one ``instrument()``, and the ways out that they have.

    Args:
        settings: which backend, which names, which port.
        provider: OpenTelemetry's; ``None`` is the global one.
        registry: prometheus_client's; ``None`` is its default one.
        scope: name, version and schema URL of the meter.
    """

    def __init__(
        self,
        settings: Settings,
        provider: MeterProvider | None,
        registry: CollectorRegistry | None,
        scope: tuple[str, str, str],
    ) -> None:
        self._outlets: Sequence[Scrape | ExitExport] = ()
        if settings.metrics == "otel":
            self.metrics = _through_opentelemetry(provider, scope, latest=settings.latest_names)
        elif settings.metrics == "prometheus":
            # Here: prometheus_client takes its mode from the environment on its first import.
            from together_otel.telemetry import prometheus_backend  # noqa: PLC0415

            exposed = prometheus_backend.of(settings, registry)
            self.metrics, self._outlets = exposed.metrics, exposed.outlets
        else:
            self.metrics = Metrics()
        self.metrics.start()
        for one in self._outlets:
            one.start()

    def stop(self) -> None:
        """Emit no more."""
        self.metrics.stop()
        for one in self._outlets:
            one.stop()


def _through_opentelemetry(
    provider: MeterProvider | None, scope: tuple[str, str, str], *, latest: bool
) -> Metrics:
    given = metrics.get_meter_provider() if provider is None else provider
    made = _made.setdefault(given, {})
    if latest not in made:
        meter = given.get_meter(*scope)
        made[latest] = OpenTelemetryMetrics(meter, provider, latest_names=latest)
    return made[latest]
