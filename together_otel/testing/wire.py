"""HTTP layer of the server: sockets, threads and the bytes of responses."""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from together_otel.testing.exchange import TRACE_ID, Plan, ReceivedRequest, Reply

Take = Callable[[str, str, dict[str, str], bytes], tuple[ReceivedRequest | None, Plan]]
Hold = Callable[[ReceivedRequest, float], bool]


class Listener(ThreadingTCPServer):  # HTTPServer looks up its name, which can take seconds
    """Listens on loopback. `hang_up` closes all connections and joins their threads.

    ``take`` gets method, path, headers and body, and returns ``None`` instead of a request for a
    control request. ``hold`` waits for seconds, and returns whether to send the response.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, take: Take, hold: Hold) -> None:
        self.take = take
        self.hold = hold
        self._lines: set[socket.socket] = set()
        self._talking: list[threading.Thread] = []
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection and store both."""
        # Daemon threads, so that a missing close() does not keep the process alive. The base class
        # does not join daemon threads.
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="together-server-connection",
            daemon=True,
        )
        with self._lock:
            self._talking = [known for known in self._talking if known.is_alive()]
            self._talking.append(thread)
            self._lines.add(request)
            thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Remove a connection and close it."""
        with self._lock:
            self._lines.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Close all connections, including idle ones, and join their threads."""
        with self._lock:
            # Under the lock, as the descriptor of a closed socket may belong to another one.
            for connection in self._lines:
                with suppress(OSError):  # the client has already closed it
                    connection.shutdown(socket.SHUT_RDWR)
            threads = self._talking
        for thread in threads:
            thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect; print other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """Handles the requests of one connection in sequence."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # buffered, so that status line, headers and body are sent in one packet
    disable_nagle_algorithm = True
    server: Listener

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Do not log requests; the server records them."""

    def answer(self) -> None:
        """Read a whole request and carry out its plan."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        # Always read the whole body: closing a connection with unread data resets it, and the
        # client might lose the response.
        chunked = "transfer-encoding" in headers
        body = self._chunks() if chunked else self.rfile.read(int(headers.get("content-length", 0)))
        request, plan = self.server.take(self.command, self.path, headers, body)
        if plan.reply is None or not self._wanted(plan, request, sent=0):
            self.close_connection = True
            return
        self._head(plan.reply, request)
        if plan.reply.frames is None:
            self._whole(plan.reply.body, cut=plan.cut)
        else:
            self._stream(plan.reply.frames, plan, request)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0].strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # ignore trailers
        return b"".join(parts)

    def _wanted(self, plan: Plan, request: ReceivedRequest | None, *, sent: int) -> bool:
        """Wait if the plan pauses after ``sent`` frames; return whether to go on."""
        if request is None or not plan.pause or sent != plan.pause_after:
            return True
        self.wfile.flush()
        return self.server.hold(request, plan.pause)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815 - http.server calls these names

    def _head(self, reply: Reply, request: ReceivedRequest | None) -> None:
        self.send_response(reply.status)
        if reply.frames is None:
            self.send_header("Content-Length", str(len(reply.body)))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        headers = {"content-type": reply.content_type, **_house_headers(request)}
        if reply.foreign:
            headers.pop(TRACE_ID, None)
        headers |= {name.lower(): value for name, value in reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _whole(self, body: bytes, *, cut: bool) -> None:
        if cut:
            self.close_connection = True
            body = body[: len(body) // 2]
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(
        self, frames: tuple[bytes, ...], plan: Plan, request: ReceivedRequest | None
    ) -> None:
        for sent, frame in enumerate(frames):
            if sent and not self._wanted(plan, request, sent=sent):
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%b\r\n" % (len(frame), frame))
            self.wfile.flush()
        if plan.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")


def _house_headers(request: ReceivedRequest | None) -> dict[str, str]:
    if request is None:
        return {}
    number = request.number
    return {
        "x-request-id": f"req-{number}",
        TRACE_ID: f"{number:032x}",
        "cf-ray": f"{number:016x}-LOC",
        "x-ratelimit-limit": "600",
        "x-ratelimit-remaining": "599",
        "x-ratelimit-reset": "0.1",
    }
