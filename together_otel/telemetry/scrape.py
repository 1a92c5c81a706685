"""/metrics on one stable port, whichever of a service's processes holds it.

Processes that share a folder take turns by a lock on a file in it: one serves, and when it
dies the kernel gives the lock to another. The data are those of all of them, in
prometheus_client's multiprocess mode; otherwise those of the process that holds the port.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

from together_otel.forks import in_forked_child
from together_otel.names import SCOPE
from together_otel.telemetry.group import FOLDER, Group
from together_otel.telemetry.prometheus import is_multiprocess

try:
    import fcntl
except ImportError:  # Windows, where a server does not fork either
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(f"{SCOPE}.scrape")

_TAKEOVER = 0.5
"""Seconds between two tries for the port: after the death of who holds it, the gap in scrapes."""


def group_registry(registry: CollectorRegistry) -> CollectorRegistry:
    """Return what a scrape is to see: the whole group's metrics, or those of ``registry``."""
    if not is_multiprocess():
        return registry
    group = CollectorRegistry()
    group.register(Group(os.environ[FOLDER]))
    return group


class Scrape:
    """Serves /metrics from a thread, as soon as the port can be had.

    Never raises: a port that cannot be had is one warning.

    Args:
        host: address to bind.
        port: 0 takes a free one, which `address` then tells.
        registry: what is served outside multiprocess mode.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        self._host, self._port = host, port
        self._registry = registry
        self._wanted = False
        in_forked_child(self._after_fork)
        self._reset()

    def _reset(self) -> None:
        self._stopping = threading.Event()
        self._serving = threading.Event()
        self._thread: threading.Thread | None = None
        self._server: Any = None
        self._server_thread: threading.Thread | None = None
        self._lock: int | None = None
        self._warned: set[str] = set()

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that this process serves now, ``None`` while another one does."""
        return self._server.server_address[:2] if self._serving.is_set() else None

    def start(self) -> None:
        """Serve as soon as the port is free."""
        self._wanted = True
        self._thread = threading.Thread(
            target=self._hold, args=(self._stopping,), name="together-otel-scrape", daemon=True
        )
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait until this process serves; return whether it does."""
        return self._serving.wait(timeout)

    def stop(self) -> None:
        """Serve no more and leave the port to another."""
        self._wanted = False
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._server_thread is not None:
            self._server_thread.join()
        if self._lock is not None:
            os.close(self._lock)
        self._reset()

    def _hold(self, stopping: threading.Event) -> None:
        try:
            while not (self._has_turn() and self._bind()):
                if stopping.wait(_TAKEOVER):
                    return
        except Exception as exc:  # noqa: BLE001 - in a thread, this is the border
            self._warn("TOGETHER_OTEL_PROMETHEUS_PORT is not served: %s", repr(exc))

    def _has_turn(self) -> bool:
        """Tell whether this process may bind; from then on no other of its group may."""
        if fcntl is None or self._port == 0 or self._lock is not None:
            return True
        folder = os.environ[FOLDER] if is_multiprocess() else tempfile.gettempdir()
        name = f"together_otel-{os.getuid()}-{self._port}.lock"
        found = os.open(Path(folder) / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Not flock(): that one would pass to forked children and outlive this process.
            fcntl.lockf(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(found)
            if not is_multiprocess():
                self._warn(
                    "Another process serves port %d, and only its own metrics: a scrape shows "
                    "nothing of this one. Set PROMETHEUS_MULTIPROC_DIR to an empty directory "
                    "that all processes of the service share.",
                    self._port,
                )
            return False
        self._lock = found
        return True

    def _bind(self) -> bool:
        try:
            self._server, self._server_thread = start_http_server(
                self._port, self._host, group_registry(self._registry)
            )
        except OSError as exc:
            self._warn(
                "/metrics cannot be served on %s port %d (%s): another program has the port, or "
                "the address is not this machine's. Change TOGETHER_OTEL_PROMETHEUS_PORT or "
                "TOGETHER_OTEL_PROMETHEUS_HOST; until the port is free, Prometheus sees nothing.",
                self._host,
                self._port,
                exc.strerror or exc,
            )
            return False
        self._serving.set()
        return True

    def _warn(self, message: str, *arguments: object) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _log.warning(message, *arguments)

    def _after_fork(self) -> None:
        # The child has copies of socket and lock file: an open copy would keep the port from
        # whoever is to take over. Closing the file's copy leaves the parent's lock alone.
        wanted, server, lock = self._wanted, self._server, self._lock
        self._reset()
        if server is not None:
            server.socket.close()
        if lock is not None:
            os.close(lock)
        # Alone with its metrics a child has nothing to serve that its parent's scrape would show.
        if wanted and is_multiprocess():
            self.start()
