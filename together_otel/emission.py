"""Which backend emits the metrics, made once for each place that they are emitted to."""

from __future__ import annotations

import logging
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

from together_otel.names import SCOPE
from together_otel.settings import METRICS, MULTIPROC_DIR
from together_otel.telemetry.metrics import Metrics
from together_otel.telemetry.otel import OpenTelemetryMetrics

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from prometheus_client import CollectorRegistry

    from together_otel.settings import Settings
    from together_otel.telemetry.scrape import Scrape

_log = logging.getLogger(f"{SCOPE}.metrics")

_made: weakref.WeakKeyDictionary[Any, dict[bool, Metrics]] = weakref.WeakKeyDictionary()
"""Metrics by provider or registry: they outlive ``uninstrument()``, counters never fall."""


class Emission:
    """The metrics of one ``instrument()``, and the port they are served on.

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
        self._scrape: Scrape | None = None
        if settings.metrics == "otel":
            self.metrics = _through_opentelemetry(provider, scope, latest=settings.latest_names)
        elif settings.metrics == "prometheus" and _make_folder():
            self.metrics, self._scrape = _through_prometheus(settings, registry)
        else:
            self.metrics = Metrics()
        self.metrics.start()
        if self._scrape is not None:
            self._scrape.start()

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of /metrics, when this process serves it."""
        return None if self._scrape is None else self._scrape.address

    def stop(self) -> None:
        """Emit no more."""
        self.metrics.stop()
        if self._scrape is not None:
            self._scrape.stop()


def _through_opentelemetry(
    provider: MeterProvider | None, scope: tuple[str, str, str], *, latest: bool
) -> Metrics:
    given = metrics.get_meter_provider() if provider is None else provider
    made = _made.setdefault(given, {})
    if latest not in made:
        meter = given.get_meter(*scope)
        made[latest] = OpenTelemetryMetrics(meter, provider, latest_names=latest)
    return made[latest]


def _through_prometheus(
    settings: Settings, registry: CollectorRegistry | None
) -> tuple[Metrics, Scrape | None]:
    # Here: prometheus_client takes its mode from the environment when it is first imported.
    from prometheus_client import REGISTRY  # noqa: PLC0415

    from together_otel.telemetry.prometheus import (  # noqa: PLC0415
        PrometheusMetrics,
        is_multiprocess,
    )
    from together_otel.telemetry.scrape import Scrape  # noqa: PLC0415

    if os.environ.get(MULTIPROC_DIR) and not is_multiprocess():
        _log.warning(
            "%s was set after prometheus_client was imported, and has no effect: set it in the "
            "environment that the process is started with.",
            MULTIPROC_DIR,
        )
    registry = registry or REGISTRY
    made, latest = _made.setdefault(registry, {}), settings.latest_names
    if latest not in made:
        try:
            made[latest] = PrometheusMetrics(registry, latest_names=latest)
        except OSError as exc:
            _warn_of_folder(exc.strerror or str(exc))
            return Metrics(), None
    port = settings.prometheus_port
    return made[latest], (
        None if port is None else Scrape(settings.prometheus_host, port, registry)
    )


def _make_folder() -> bool:
    """Make the folder that processes share, if there is to be one; tell whether it can be used."""
    folder = os.environ.get(MULTIPROC_DIR)
    if not folder:
        return True
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        _warn_of_folder(exc.strerror or str(exc))
        return False
    if not os.access(folder, os.W_OK | os.X_OK):
        _warn_of_folder("it cannot be written to")
        return False
    return True


def _warn_of_folder(why: str) -> None:
    _log.warning(
        "%s cannot be used (%s): there are no metrics of Together's calls. Set it to a directory "
        "that this process may write to, or set %s to otel.",
        MULTIPROC_DIR,
        why,
        METRICS,
    )
