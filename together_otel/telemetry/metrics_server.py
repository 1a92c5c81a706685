"""An HTTP server of metrics that whoever connects cannot turn against the application.

It has a limited number of connections, each with a thread, and a limited time for each request and
answer. The application keeps its file descriptors and threads, and its error output.
"""

import logging
import socket
import threading
import time
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, MetricsHandler

from together_otel.names import SCOPE

_log = logging.getLogger(f"{SCOPE}.http_endpoint")

CONNECTIONS = 16
"""How many there may be; beyond, one that still sends its request is closed for a new one."""

SECONDS = 5.0
"""For a request to arrive, and for its answer to be taken."""

POLL = 0.5
"""Seconds that `MetricsServer.handle_request` waits for a connection at most."""


class _Handler(MetricsHandler):
    """Answers one request; what fails is an answer and one line in the log."""

    server: "MetricsServer"
    connection: socket.socket

    def do_GET(self) -> None:  # noqa: N802 - the standard library's name
        self.server.limit(self.connection, None)
        try:
            super().do_GET()
        except OSError:
            raise
        except Exception as exc:  # noqa: BLE001 - a collector of the application's may do anything
            self.server.failed(exc)
            self.send_error(500, "The metrics cannot be collected")

    def send_response(self, code: int, message: str | None = None) -> None:
        self.server.limit(self.connection, SECONDS)
        super().send_response(code, message)


class MetricsServer(ThreadingMixIn, TCPServer):
    """Serves a registry; it does not listen before `open`, so that a fork finds its socket.

    Args:
        host: address to bind.
        port: 0 takes a free one.
        registry: what is served.

    Raises:
        OSError: when the host is no address.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    # Of two services that were given the same port, one has to be told so.
    allow_reuse_port = False
    request_queue_size = CONNECTIONS
    timeout: float = POLL

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family: int
        self.address_family, *_, address = found[0]
        super().__init__(address, _Handler.factory(registry), bind_and_activate=False)  # type: ignore[arg-type]
        self._lock = threading.Lock()
        # Until when, in monotonic seconds, in the order of their arrival; ``None``: it is answered.
        self._open: dict[socket.socket, float | None] = {}
        self._failures: set[type[BaseException]] = set()
        self.refused: bool = False
        """Whether the system had no file descriptor for the last connection."""

    def open(self) -> None:
        """Bind and listen.

        Raises:
            OSError: when the port cannot be had.
        """
        self.server_bind()
        self.server_activate()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        try:
            accepted = super().get_request()
        except OSError:
            self.refused = True
            raise
        self.refused = False
        return accepted

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether a connection may stay; room for it is made."""
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
        """Set how long a connection may last from now on; ``None``: as long as it takes."""
        with self._lock:
            if request in self._open:
                self._open[request] = None if seconds is None else time.monotonic() + seconds

    def service_actions(self) -> None:
        """End the connections whose time is over."""
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
        """Say nothing: who connects may break the connection, and would fill the log."""

    def failed(self, exc: Exception) -> None:
        """Log why the metrics could not be collected, once for each kind of error."""
        if type(exc) not in self._failures:
            self._failures.add(type(exc))
            # Not its text: it may repeat what is not to be seen.
            _log.warning("A request for /metrics failed with %s.", type(exc).__name__)

    def wake(self) -> None:
        """Let `handle_request` return now, where the system allows it, and accept no more."""
        _end(self.socket)

    def close_in_child(self) -> None:
        """Close a forked child's copies of the sockets, which are the parent's to use."""
        self.socket.close()
        for request in self._open:
            request.close()

    def end_all(self) -> None:
        """End every connection."""
        with self._lock:
            for request in self._open:
                _end(request)


def _end(request: socket.socket) -> None:
    """Let the thread that waits for a socket find that it has ended."""
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
