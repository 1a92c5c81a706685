"""An HTTP server of metrics whose clients cannot exhaust the application's resources.

It limits the number of connections, each with a thread, and the time of each request and answer.
Thus clients cannot use up the application's file descriptors and threads or fill its error output.
"""

import logging
import socket
import threading
import time
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler

from together_otel.guard import warn
from together_otel.names import SCOPE

_log = logging.getLogger(f"{SCOPE}.http_endpoint")

CONNECTIONS = 16
"""Maximum number of connections; above, one without a complete request is closed for a new one."""

SECONDS = 5.0
"""Timeout for receiving a request, and again for sending its answer, in seconds."""

POLL = 0.5
"""Maximum seconds that `MetricsServer.handle_request` waits for a connection."""


class _Handler(MetricsHandler):
    """Answers one request; a failed collection is answered with 500 and logged."""

    server: "MetricsServer"
    connection: socket.socket

    def do_GET(self) -> None:  # noqa: N802 - the standard library's name
        self.server.limit(self.connection, None)
        try:
            super().do_GET()
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 - a collector of the application may raise anything
            self.server.failed(exc)
            self.send_error(500, "The metrics cannot be collected")

    def send_response(self, code: int, message: str | None = None) -> None:
        self.server.limit(self.connection, SECONDS)
        super().send_response(code, message)


class MetricsServer(ThreadingMixIn, TCPServer):
    """Serves a registry; listens only after `open`, so that a forked child can close the socket.

    Port 0 selects a free port. Raises ``OSError`` if the host cannot be resolved.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    # If two services have the same port, binding it must fail for one of them.
    allow_reuse_port = False
    request_queue_size = CONNECTIONS
    timeout: float = POLL

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family: int
        self.address_family, *_, address = found[0]
        super().__init__(address, _Handler.factory(registry), bind_and_activate=False)  # type: ignore[arg-type]
        self._lock = threading.Lock()
        # Deadlines in monotonic seconds, in order of arrival; ``None`` during the collection.
        self._open: dict[socket.socket, float | None] = {}
        self._failures: set[type[BaseException]] = set()
        self.refused: bool = False
        """Whether accepting the last connection failed, as without free file descriptors."""

    def open(self) -> None:
        """Bind and listen; raises ``OSError`` if the port is not available."""
        self.server_bind()
        self.server_activate()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        self.refused = True
        accepted = super().get_request()
        self.refused = False
        return accepted

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether to keep a connection, for which another one may be closed."""
        del client_address
        with self._lock:
            if len(self._open) >= CONNECTIONS:
                waiting = [one for one, until in self._open.items() if until is not None]
                if not waiting:
                    return False
                _end(waiting[0])
                del self._open[waiting[0]]
            self._open[request] = time.monotonic() + SECONDS
        return True

    def limit(self, request: socket.socket, seconds: float | None) -> None:
        """Set the timeout of a connection from now on; ``None`` for none."""
        with self._lock:
            if request in self._open:
                self._open[request] = None if seconds is None else time.monotonic() + seconds

    def service_actions(self) -> None:
        """End the connections past their deadline."""
        now = time.monotonic()
        with self._lock:
            for request, until in self._open.items():
                if until is not None and until < now:
                    _end(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: clients that break connections could fill the log."""

    def failed(self, exc: Exception) -> None:
        """Log that a collection failed, once for each exception class."""
        if type(exc) not in self._failures:
            self._failures.add(type(exc))
            # Without its text, which may contain secrets.
            warn(_log, "A request for /metrics failed with %s.", type(exc).__name__)

    def wake(self) -> None:
        """Stop accepting connections, and make `handle_request` return, if the system can."""
        _end(self.socket)

    def close_in_child(self) -> None:
        """Close a forked child's copies of the sockets, which only the parent uses."""
        self.socket.close()
        for request in self._open:
            request.close()

    def end_all(self) -> None:
        """End every connection."""
        with self._lock:
            for request in self._open:
                _end(request)


def _end(request: socket.socket) -> None:
    """Shut down a socket, so that a thread waiting for it continues."""
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
