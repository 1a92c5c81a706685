"""The metrics of all processes that share a folder, in prometheus_client's multiprocess mode."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from together_otel.names import is_ours
from together_otel.telemetry.prometheus import as_exported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric as Family

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_LIVE = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


def bury(folder: str) -> None:
    """Remove what prometheus_client keeps for living processes only of those that are dead.

    ``mark_process_dead`` is what a server's hook would call; here nobody has to write one.
    """
    found = [_LIVE.fullmatch(path.name) for path in Path(folder).iterdir()]
    for pid in {int(match[1]) for match in found if match is not None}:
        if not _is_alive(pid):
            # Another process may be burying it as well.
            with suppress(FileNotFoundError):
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Group(Collector):
    """The metrics of all processes of a folder, less what the dead leave of the living."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Family]:
        """Return the families of all processes, added up."""
        bury(self._folder)
        for family in self._files.collect():  # type: ignore[no-untyped-call]
            yield as_exported(family) if is_ours(family.name) else family
