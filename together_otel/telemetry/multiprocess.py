"""The metrics of all processes that share a folder, in prometheus_client's multiprocess mode."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from inspect import getclosurevars
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from together_otel import names
from together_otel.forks import is_alive
from together_otel.guard import warn
from together_otel.telemetry.value_files import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric as Family

_log = logging.getLogger(f"{names.SCOPE}.metrics")

_OURS = re.compile(rf"(\w+)_{OWN}-(\d+)-([0-9a-f]+)\.db")
_LIVE_OF_OTHERS = re.compile(r"gauge_live[a-z]*_(\d+)\.db")

_FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
_KEY_FAMILIES = {
    one.prometheus for one in (names.KEY_INFO, names.KEY_LAST_ACCEPTED, names.KEY_LAST_REFUSED)
}


def remove_dead(folder: Path) -> None:
    """Remove the ``live`` gauges of dead processes, like ``mark_process_dead`` in a server's hook."""
    # A process id may have been reused: only the files with its latest start are alive.
    begun: dict[str, int] = {}
    live: list[tuple[Path, str, int | None]] = []
    others = _are_named_by_pid()
    for path in folder.glob("gauge_live*.db"):
        if (ours := _OURS.fullmatch(path.name)) is not None:
            start = int(ours[3], 16)
            begun[ours[2]] = max(start, begun.get(ours[2], 0))
            live.append((path, ours[2], start))
        elif others and (match := _LIVE_OF_OTHERS.fullmatch(path.name)) is not None:
            live.append((path, match[1], None))
    for path, pid, begin in live:
        if not is_alive(int(pid)) or (begin is not None and begin < begun[pid]):
            # Another process may have removed it, or this one may not have the permission to.
            with suppress(OSError):
                path.unlink()


def _are_named_by_pid() -> bool:
    # An application may use other numbers than process ids, as prometheus_client's manual
    # recommends for uWSGI. These do not show which process is alive.
    check = getattr(values.ValueClass, "_MmapedValue__check_for_pid_change", None)
    if check is None:
        return False
    return getclosurevars(check).nonlocals.get("process_identifier") is os.getpid


class Group(Collector):
    """Collects the metrics of all processes of a folder, without ``live`` gauges of dead ones."""

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._damaged: dict[Path, tuple[int, int]] = {}

    def collect(self) -> Iterable[Family]:
        """Yield the merged families of all processes, and the start time of the first process."""
        remove_dead(self._folder)
        self._damaged = {path: state for path, state in self._damaged.items() if path.exists()}
        files = list(self._files())
        families = self._merged(files)
        in_use = _most_recent_keys(families)
        for family in families:
            yield as_exported(family, in_use) if names.is_ours(family.name) else family
        begun = [int(ours[3], 16) for path in files if (ours := _OURS.fullmatch(path.name))]
        if begun:
            name, text = "process_start_time_seconds", "Unix time at which the first process began."
            yield GaugeMetricFamily(name, text, min(begun) / 1e9)

    def _merged(self, files: list[Path]) -> list[Family]:
        try:
            return _merge(files)
        except Exception:  # noqa: BLE001 - a damaged file can raise anything
            return _merge([path for path in files if self._can_be_read(path)])

    def _can_be_read(self, path: Path) -> bool:
        try:
            _merge([path])
        except Exception as exc:  # noqa: BLE001 - a damaged file can raise anything
            with suppress(OSError):
                found = path.stat()
                state = found.st_mtime_ns, found.st_size
                if path not in self._damaged:
                    warn(
                        _log,
                        "%s cannot be read (%s): its values are missing from the scrape.",
                        path,
                        type(exc).__name__,
                    )
                self._damaged[path] = state
            return False
        return True

    def _files(self) -> Iterator[Path]:
        for path in self._folder.glob("*.db"):
            # It may just have been removed or created: prometheus_client cannot read a file that is
            # still empty.
            with suppress(OSError):
                found = path.stat()
                if found.st_size and self._damaged.get(path) != (found.st_mtime_ns, found.st_size):
                    yield path


def _merge(files: list[Path]) -> list[Family]:
    return list(MultiProcessCollector.merge([str(path) for path in files]))  # type: ignore[no-untyped-call]


def _most_recent_keys(families: list[Family]) -> set[str]:
    """Return the most recently used fingerprints, with preference to those of living processes."""
    used: dict[str, tuple[bool, float]] = {}
    for family in families:
        if family.name in _KEY_FAMILIES:
            in_use = family.name == names.KEY_INFO.prometheus
            for sample in family.samples:
                fingerprint = sample.labels[_FINGERPRINT]
                alive, latest = used.get(fingerprint, (False, 0.0))
                used[fingerprint] = alive or in_use, max(sample.value, latest)
    return set(sorted(used, key=used.__getitem__)[-names.FINGERPRINT_LIMIT :])


def as_exported(family: Family, keys: set[str]) -> Family:
    """Return a family in the format of OpenTelemetry's exporter, with the given keys only.

    prometheus_client formats large bounds of buckets differently: for Prometheus, the labels
    ``1.048576e+06`` and ``1048576.0`` are not the same.
    """
    family.samples = [
        sample._replace(labels={**sample.labels, "le": str(float(sample.labels["le"]))})
        if sample.labels.get("le", "+Inf") != "+Inf"
        else sample
        for sample in family.samples
        if sample.labels.get(_FINGERPRINT) in (None, *keys)
    ]
    return family
