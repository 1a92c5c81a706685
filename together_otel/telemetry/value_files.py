"""Files with the metric values of one process, which every process of a service can read.

The files have the format of prometheus_client's multiprocess mode, whose collector reads them, but
are separate from prometheus_client's own. It does not allocate space in its files, so that a full
disk kills the process at its next write, and raises if a file cannot be created. Here the values in
memory are authoritative. A value that cannot be written is written later or never.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import struct
import weakref
from typing import TYPE_CHECKING

from prometheus_client.mmap_dict import mmap_key
from prometheus_client.utils import floatToGoString

from together_otel.forks import ForkSafeLock, in_forked_child
from together_otel.guard import warn
from together_otel.names import SCOPE, Metric
from together_otel.plain import clocks
from together_otel.settings import MULTIPROC_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from together_otel.telemetry.measured import GaugeValue, Labels

_log = logging.getLogger(f"{SCOPE}.metrics")

_SIZE = 1 << 14  # size of a new file in bytes; it doubles when it is full

_HEADER = 8
_pack_used = struct.Struct("i").pack
_pack_value = struct.Struct("dd").pack

OWN = "together"
"""Part of the names of these files; the application's own contain only the process id."""

_RETRY = 10.0  # seconds after a failure before space for further series is requested again

_PREFIXES = ("counter", "histogram", "gauge_max", "gauge_livemax", "gauge_livemostrecent")
"""Kinds of files: the kind of the metric and, for gauges, how to merge values of processes."""


class ValueFile:
    """Pairs of a key and a value in a new file whose space is allocated before it is written to.

    Raises ``OSError`` if it cannot be created or, in `add`, space cannot be allocated.
    """

    def __init__(self, path: Path) -> None:
        how = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC
        # Under another name at first, so that no process reads a file without its header.
        fresh = path.with_suffix(".new")
        self._file = os.open(fresh, how, 0o644)
        self._close = weakref.finalize(self, os.close, self._file)
        self._close.atexit = False
        try:
            self._size = 0
            self._grow(_SIZE)
            self.clear()
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise

    def _grow(self, size: int) -> None:
        _allocate(self._file, self._size, size)
        self._map = mmap.mmap(self._file, size)
        self._size = size

    def clear(self) -> None:
        """Remove all keys."""
        self._used = _HEADER
        self._map[:4] = _pack_used(self._used)

    def add(self, keys: Sequence[str], *, grows: bool = True) -> list[int] | None:
        """Add keys with the value 0; return the offsets of their values.

        Returns ``None`` if the file has no space for them and must not grow.
        """
        places, entries, end = [], [], self._used
        for key in keys:
            text = key.encode()
            text += b" " * (8 - (len(text) + 4) % 8)
            entries.append(struct.pack(f"i{len(text)}sdd", len(key.encode()), text, 0.0, 0.0))
            end += len(entries[-1])
            places.append(end - 16)
        size = self._size
        while size < end:
            size *= 2
        if size > self._size:
            if not grows:
                return None
            self._grow(size)
        self._map[self._used : end] = b"".join(entries)
        self._used = end
        self._map[:4] = _pack_used(end)
        return places

    def write(self, place: int, value: float, noted: float = 0.0) -> None:
        """Write a value at an offset."""
        self._map[place : place + 16] = _pack_value(value, noted)


def _allocate(file: int, old: int, size: int) -> None:
    """Allocate space on the disk to extend a file to a size."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, old, size - old)
        return
    os.lseek(file, old, os.SEEK_SET)
    if os.write(file, bytes(size - old)) < size - old:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class ProcessFiles:
    """The files of this process in the folder that the processes of a service share.

    Thread-safe. Never raises ``OSError``: the error is logged once, and the caller keeps the values
    in memory. A forked child has files of its own. The folder is an absolute path, created if it
    does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = ForkSafeLock()
        self._warned = False
        self._why: str | None = None
        self._begin()
        in_forked_child(self._after_fork)

    def _begin(self) -> None:
        self._started = clocks.time_ns()
        self._files: dict[str, ValueFile] = {}
        self._places: dict[tuple[Metric, Labels], tuple[ValueFile, list[int]]] = {}
        self._gauges: dict[str, dict[tuple[Metric, Labels], int]] = {}
        self._retry_at = float("-inf")

    def _after_fork(self) -> None:
        self._begin()
        # A server that was started by root may drop its privileges in its workers.
        if getattr(os, "geteuid", lambda: 1)() == 0:
            for prefix in _PREFIXES:
                self._file(prefix)

    def write(
        self, metric: Metric, labels: Labels, values: Sequence[float], changed: Sequence[int] = (0,)
    ) -> None:
        """Write the value of a counter, or the sum and bucket counts of a histogram.

        ``changed`` has the indexes of the changed values; a new series is written completely.
        """
        with self._lock:
            held = self._places.get((metric, labels))
            if held is None:
                file = self._file(metric.kind)
                places = self._allocated(file, _keys(metric, labels))
                if file is None or places is None:
                    return
                held = self._places[metric, labels] = file, places
                changed = range(len(values))
            file, places = held
            for place in changed:
                file.write(places[place], values[place])

    def write_gauges(self, values: Iterable[GaugeValue]) -> None:
        """Write all gauges, and remove series that are not among them."""
        by_file: dict[str, dict[tuple[Metric, Labels], GaugeValue]] = {
            prefix: {} for prefix in _PREFIXES if prefix.startswith("gauge")
        }
        # Before taking the lock: the iterable takes another one to find the keys in use.
        for one in values:
            by_file[f"gauge_{one.metric.shared}"][one.metric, one.labels] = one
        with self._lock:
            for prefix, found in by_file.items():
                if found or self._gauges.get(prefix):
                    self._write_gauges(prefix, found)
        self._warn()

    def _write_gauges(self, prefix: str, found: dict[tuple[Metric, Labels], GaugeValue]) -> None:
        file = self._file(prefix)
        if file is None:
            return
        places = self._gauges.setdefault(prefix, {})
        if places.keys() - found.keys():
            file.clear()
            places.clear()
        new = [one for one in found if one not in places]
        offsets = self._allocated(file, [_keys(*one)[0] for one in new]) if new else None
        places.update(zip(new, offsets or (), strict=False))
        for key, place in places.items():
            file.write(place, found[key].value, found[key].noted)

    def _file(self, prefix: str) -> ValueFile | None:
        found = self._files.get(prefix)
        if found is None and clocks.monotonic() >= self._retry_at:
            # The id identifies files of dead processes; the time distinguishes a reused id.
            name = f"{prefix}_{OWN}-{os.getpid()}-{self._started:x}.db"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                found = self._files[prefix] = ValueFile(self._folder / name)
            except OSError as exc:
                self._failed(exc)
        return found

    def _allocated(self, file: ValueFile | None, keys: Sequence[str]) -> list[int] | None:
        if file is None:
            return None
        try:
            return file.add(keys, grows=clocks.monotonic() >= self._retry_at)
        except OSError as exc:
            self._failed(exc)
            return None

    def _failed(self, exc: OSError) -> None:
        self._retry_at = clocks.monotonic() + _RETRY
        if not self._warned:
            self._warned, self._why = True, exc.strerror or type(exc).__name__

    def _warn(self) -> None:
        """Log once why nothing can be written.

        Not called by `write`, whose caller holds a lock: a log handler may block.
        """
        if self._why is None:
            return
        why, self._why = self._why, None
        warn(
            _log,
            "%s cannot be written (%s): until it can, the counts of process %d stay in its memory "
            "and are missing from the scrape. Set %s to a directory that the process may write to "
            "and that has free space.",
            self._folder,
            why,
            os.getpid(),
            MULTIPROC_DIR,
        )


def _keys(metric: Metric, labels: Labels) -> list[str]:
    """Return the keys of the values of a series in prometheus_client's format."""
    name, about = metric.prometheus, metric.description
    known, values = list(metric.labels), ["" if label is None else str(label) for label in labels]
    if metric.kind != "histogram":
        return [mmap_key(name.removesuffix("_total"), name, known, values, about)]
    keys = [mmap_key(name, f"{name}_sum", known, values, about)]
    for bound in (*metric.buckets, float("inf")):
        le = floatToGoString(bound)  # type: ignore[no-untyped-call]
        keys.append(mmap_key(name, f"{name}_bucket", [*known, "le"], [*values, le], about))
    return keys
