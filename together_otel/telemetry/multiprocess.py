"""The metrics of all processes that share a folder, in prometheus_client's multiprocess mode."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from inspect import getclosurevars
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from together_otel.forks import is_alive
from together_otel.names import is_ours
from together_otel.telemetry.prometheus import as_exported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric as Family

_LIVE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


def bury(folder: Path) -> None:
    """Remove what prometheus_client keeps for living processes only of those that are dead.

    It is what ``mark_process_dead`` does in a server's hook; here nobody has to write one.
    """
    if not _are_named_by_pid():
        return
    for path in folder.glob("gauge_live*.db"):
        match = _LIVE.fullmatch(path.name)
        if match is not None and not is_alive(int(match[1])):
            # Another process may be burying it as well.
            path.unlink(missing_ok=True)


def _are_named_by_pid() -> bool:
    # An application may number its processes otherwise, as prometheus_client's manual tells
    # those who run uWSGI to: then a number says nothing of who is alive.
    check = getattr(values.ValueClass, "_MmapedValue__check_for_pid_change", None)
    if check is None:
        return False
    return getclosurevars(check).nonlocals.get("process_identifier") is os.getpid


class Group(Collector):
    """The metrics of all processes of a folder, less what the dead leave of the living."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def collect(self) -> Iterable[Family]:
        """Return the families of all processes, added up."""
        bury(self._folder)
        families = MultiProcessCollector.merge(self._files())  # type: ignore[no-untyped-call]
        for family in families:
            yield as_exported(family) if is_ours(family.name) else family

    def _files(self) -> Iterator[str]:
        for path in self._folder.glob("*.db"):
            # It may have been buried just now, or only just made: prometheus_client cannot read
            # a file that is still empty, and the scrape would have nothing of anybody.
            with suppress(FileNotFoundError):
                if path.stat().st_size:
                    yield str(path)
