"""The /metrics endpoint on one stable port, which any process of a service may serve.

Processes that share a folder use a lock on a file in it: one process serves, and when it ends,
another one gets the lock. In prometheus_client's multiprocess mode the endpoint has the metrics of
all processes, otherwise those of the process that serves it.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from together_otel.forks import in_forked_child
from together_otel.guard import warn
from together_otel.names import SCOPE
from together_otel.telemetry.metrics_server import POLL, MetricsServer

try:
    import fcntl
except ImportError:  # Windows, where a server does not fork either
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    _Test = Callable[[], bool]

_log = logging.getLogger(f"{SCOPE}.http_endpoint")

_TAKEOVER = POLL
"""Seconds between two attempts to get the port: the gap in scrapes after its holder ends."""

_NOT_SHARED = (
    "Another process serves port {} with only its own metrics: a scrape does not show this process. "
    "Set PROMETHEUS_MULTIPROC_DIR to an empty directory that all processes of the service share, or "
    "start the service without a reloader."
)


class HttpEndpoint:
    """Serves /metrics from a thread as soon as the port is available; port 0 takes a free one.

    Never raises: an unavailable port is logged as one warning. In multiprocess mode, the processes
    share ``folder``. If another process serves only its own metrics, ``lost`` is called with a
    warning and a function that returns whether this is still the case.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        folder: Path | None,
        lost: Callable[[str, _Test], None],
    ) -> None:
        self._host, self._port = host, port
        self._registry, self._folder = registry, folder
        self._lost = lost
        self._wanted = False
        self._lock: int | None = None
        self._reset()
        in_forked_child(self._after_fork)

    def _reset(self) -> None:
        self._stopping = threading.Event()
        self._serving = threading.Event()
        self._thread: threading.Thread | None = None
        self._server: MetricsServer | None = None
        self._warned: set[str] = set()

    def start(self) -> None:
        """Serve as soon as the port is available."""
        self._wanted = True
        self._lock = self._open_lock()
        self._begin()

    def stop(self) -> None:
        """Stop serving and release the port for another process."""
        self._wanted = False
        self._stopping.set()
        if self._server is not None:
            self._server.wake()
        if self._thread is not None:
            self._thread.join()
        if self._server is not None:
            self._server.server_close()
            self._server.end_all()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._reset()

    def _begin(self) -> None:
        self._thread = threading.Thread(
            target=self._hold,
            args=(self._stopping,),
            name="together-otel-http-endpoint",
            daemon=True,
        )
        try:
            self._thread.start()
        except RuntimeError as exc:  # no thread can be started
            self._thread = None
            self._warn("TOGETHER_OTEL_PROMETHEUS_PORT is not served: %s", exc)

    def _hold(self, stopping: threading.Event) -> None:
        try:
            while not stopping.is_set():
                if self._server is not None:
                    self._server.handle_request()
                    self._server.service_actions()
                    if self._server.refused:
                        stopping.wait(_TAKEOVER)
                elif not (self._has_turn() and self._open()):
                    stopping.wait(_TAKEOVER)
        except Exception as exc:  # noqa: BLE001 - nothing handles an exception of this thread
            self._warn("TOGETHER_OTEL_PROMETHEUS_PORT is not served: %s", repr(exc))

    def _open_lock(self) -> int | None:
        """Open the lock file; without one, whichever process binds the port serves it."""
        if fcntl is None or self._port == 0:
            return None
        with suppress(OSError):
            folder = self._folder or Path(tempfile.gettempdir())
            # Services of several users may share the temporary folder.
            name = f"together_otel-{os.geteuid()}-{self._port}.lock"
            how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            lock = os.open(folder / name, how, 0o600)
            found = os.fstat(lock)
            if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
                return lock
            os.close(lock)
        return None

    def _has_turn(self) -> bool:
        """Return whether this process may bind the port; if so, no other one of its group may."""
        try:
            if self._lock is not None:
                # Not flock(): forked children inherit its lock, which would outlive this process.
                fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if self._folder is None:
                self._lost(_NOT_SHARED.format(self._port), lambda: not self._serving.is_set())
            return False
        except OSError:
            pass  # the file system has no locks: whichever process binds the port serves it
        return True

    def _open(self) -> bool:
        try:
            self._server = MetricsServer(self._host, self._port, self._registry)
            self._server.open()
        except OSError as exc:
            if self._server is not None:
                self._server.server_close()
                self._server = None
            self._warn(
                "/metrics cannot be served on %s port %d (%s). Change TOGETHER_OTEL_PROMETHEUS_PORT "
                "or TOGETHER_OTEL_PROMETHEUS_HOST; until then, Prometheus cannot scrape the metrics.",
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
            warn(_log, message, *arguments)

    def _after_fork(self) -> None:
        # A copy of the socket would keep the port from the next process. The copy of the lock file
        # does no harm, as its lock stays the parent's, and must be kept: a server's worker may have
        # given up the rights to open the file again.
        if self._server is not None:
            self._server.close_in_child()
        self._reset()
        # Without a shared folder, only the parent serves its metrics.
        if self._wanted and self._folder is not None:
            self._begin()
