"""The choice of the metrics backend."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import metrics

from together_otel.telemetry.metrics import Backend, NoMetrics, metrics_for
from together_otel.telemetry.otel import OpenTelemetryMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from prometheus_client import CollectorRegistry

    from together_otel.settings import Settings


def choose_backend(
    settings: Settings,
    provider: MeterProvider | None,
    registry: CollectorRegistry | None,
    scope: tuple[str, str, str],
    end_open_calls: Callable[[], None],
) -> Backend:
    """Return the backend that the settings select, not started yet.

    ``None`` stands for OpenTelemetry's global provider and for prometheus_client's default
    registry. ``scope`` has the name, version and schema URL of the meter. ``end_open_calls`` is
    called before the export at exit.
    """
    if settings.metrics == "prometheus":
        # Not at the top: prometheus_client reads its mode from the environment when first imported.
        from together_otel.telemetry import prometheus_backend  # noqa: PLC0415

        return prometheus_backend.make(settings, registry, end_open_calls)
    if settings.metrics == "none":
        return Backend(NoMetrics())
    in_use = metrics.get_meter_provider()
    given = in_use if provider is None else provider
    # OpenTelemetry's proxy moves its instruments to the global provider once that is set. There is
    # no public way to it then.
    proxy = getattr(metrics._internal, "_PROXY_METER_PROVIDER", None) if given is in_use else None  # noqa: SLF001
    meter = given.get_meter(*scope)
    release, chunk_times = settings.genai_metrics, settings.chunk_times
    make = partial(OpenTelemetryMetrics, meter, provider, release, chunk_times=chunk_times)
    made = metrics_for(given, None, make, proxy)
    made.choose(meter, release, chunk_times=chunk_times)
    return Backend(made)
