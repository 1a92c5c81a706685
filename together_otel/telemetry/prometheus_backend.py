"""Creation of the Prometheus backend: its collector, HTTP endpoint and export at exit."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

from prometheus_client import REGISTRY, CollectorRegistry, values

from together_otel.guard import warn
from together_otel.names import SCOPE
from together_otel.settings import METRICS, MULTIPROC_DIR, Settings, folder_of
from together_otel.telemetry.exit_export import ExitExport
from together_otel.telemetry.http_endpoint import HttpEndpoint
from together_otel.telemetry.metrics import Backend, Outlet, metrics_for
from together_otel.telemetry.multiprocess import Group
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.telemetry.value_files import ProcessFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.registry import Collector

_log = logging.getLogger(f"{SCOPE}.metrics")


def make(
    settings: Settings, registry: CollectorRegistry | None, end_open_calls: Callable[[], None]
) -> Backend:
    """Return the backend for a registry, not started yet; the arguments are `choose_backend`'s."""
    registry = REGISTRY if registry is None else registry
    folder, why = _folder()
    if why:
        warn(
            _log,
            "%s cannot be used (%s): each process counts alone, and a scrape shows only one of "
            "them. Set it in the environment in which the service starts, to a directory that its "
            "processes may write to, or set %s to otel.",
            MULTIPROC_DIR,
            why,
            METRICS,
        )
    release, chunk_times = settings.genai_metrics, settings.chunk_times

    def new() -> PrometheusMetrics:
        files = None if folder is None else ProcessFiles(folder)
        return PrometheusMetrics(
            registry, release, chunk_times=chunk_times, files=files, warns=not why
        )

    metrics: PrometheusMetrics = metrics_for(registry, (release, chunk_times, folder), new)
    served, source = registry, cast("Collector", metrics)
    if folder is not None:
        served, source = CollectorRegistry(), Group(folder)
        served.register(source)
    outlets: list[Outlet] = []
    if settings.prometheus_port is not None:
        host, port = settings.prometheus_host, settings.prometheus_port
        outlets.append(HttpEndpoint(host, port, served, folder, metrics.loss.suspect))
    if settings.pushgateway is not None or settings.textfile is not None:
        gateway, textfile = settings.pushgateway, settings.textfile
        outlets.append(ExitExport(source, end_open_calls, gateway=gateway, folder=textfile))
    return Backend(metrics, tuple(outlets))


def _folder() -> tuple[Path | None, str]:
    """Return the folder for all processes, if any, and why one that is set cannot be used."""
    if (text := folder_of(os.environ)) is None:
        return None, ""
    if not _is_multiprocess():
        return None, "it was set after prometheus_client was imported"
    if not text:
        return None, "it is set to nothing"
    # Absolute: a server may change its directory before it forks, or start processes in another.
    folder = Path(text).absolute()
    os.environ[MULTIPROC_DIR] = str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Checking permissions is not enough: root has them all, even on a read-only disk.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as exc:
        return None, exc.strerror or type(exc).__name__
    return folder, ""


def _is_multiprocess() -> bool:
    """Return prometheus_client's mode, which it selects when it is first imported."""
    return bool(getattr(values.ValueClass, "_multiprocess", False))
