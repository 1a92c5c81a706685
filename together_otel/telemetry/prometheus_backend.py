"""prometheus_client's side of the metrics: its instruments, its port, its last counts."""

from __future__ import annotations

import logging
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import REGISTRY

from together_otel.calls.open_calls import end_all
from together_otel.names import SCOPE
from together_otel.settings import METRICS, MULTIPROC_DIR
from together_otel.telemetry.exit_export import ExitExport
from together_otel.telemetry.http_endpoint import Scrape
from together_otel.telemetry.metrics import Metrics
from together_otel.telemetry.multiprocess import Group
from together_otel.telemetry.prometheus import PrometheusMetrics, is_multiprocess

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from together_otel.settings import Settings

_log = logging.getLogger(f"{SCOPE}.metrics")

_made: weakref.WeakKeyDictionary[CollectorRegistry, dict[bool, PrometheusMetrics]] = (
    weakref.WeakKeyDictionary()
)
"""By registry: they outlive ``uninstrument()``, as counters never fall."""


class Exposition(NamedTuple):
    """Metrics, and the ways out that the settings ask for."""

    metrics: Metrics
    outlets: tuple[Scrape | ExitExport, ...]


def of(settings: Settings, registry: CollectorRegistry | None) -> Exposition:
    """Return the metrics of a registry, ``None`` being the default one; nothing is started.

    Where the folder that processes are to share cannot be used, a warning, and none.
    """
    if not _make_folder():
        return Exposition(Metrics(), ())
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
            return Exposition(Metrics(), ())
    metrics = made[latest]
    outlets: list[Scrape | ExitExport] = []
    if settings.prometheus_port is not None:
        outlets.append(
            Scrape(settings.prometheus_host, settings.prometheus_port, registry, metrics.lost)
        )
    if settings.pushgateway is not None or settings.textfile is not None:
        source = Group(os.environ[MULTIPROC_DIR]) if is_multiprocess() else metrics
        outlets.append(
            ExitExport(source, end_all, gateway=settings.pushgateway, folder=settings.textfile)
        )
    return Exposition(metrics, tuple(outlets))


def _make_folder() -> bool:
    """Make the folder that processes share, if there is to be one; tell whether it can be used."""
    # prometheus_client still takes the old name, and complains of it.
    folder = os.environ.get(MULTIPROC_DIR, os.environ.get(MULTIPROC_DIR.lower()))
    if folder is None:
        return True
    if not folder:
        _warn_of_folder("it is set to nothing")
        return False
    # Absolute: a server may change its directory before it forks, or start processes in another.
    os.environ[MULTIPROC_DIR] = folder = str(Path(folder).absolute())
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
