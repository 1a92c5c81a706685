"""What may stand between here and Together: proxies, TLS, a server that drips, no DNS."""

import json
import select
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.request import ProxyHandler, Request, build_opener

from processes import PATIENCE
from serving import Quiet, serving

from together_otel.testing import fetch


class Proxy(ThreadingHTTPServer):
    """An HTTP proxy that keeps a list of what it was asked for.

    Args:
        refuses: status that it answers with instead, 0 for none.
        leads_to: port of loopback that it goes to whatever the name.
    """

    daemon_threads = True

    def __init__(self, refuses=0, leads_to=0):
        super().__init__(("127.0.0.1", 0), _Way)
        self.refuses = refuses
        self.leads_to = leads_to
        self.asked = []

    @property
    def address(self):
        """Its host and port."""
        return f"127.0.0.1:{self.server_port}"


class _Way(Quiet, BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self):
        if self._is_refused():
            return
        with socket.create_connection(("127.0.0.1", self.server.leads_to), 10) as there:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            _relay(self.connection, there)
        self.close_connection = True

    def do_GET(self):
        if self._is_refused():
            return
        request = Request(self.path, headers={"Authorization": self.headers["Authorization"]})  # noqa: S310 - of a test
        with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
            kind = answer.headers["content-type"]
            self.answer(answer.status, answer.read(), content_type=kind)

    def _is_refused(self):
        told = self.headers["Proxy-Authorization"]
        self.server.asked.append((self.command, self.path, told))
        if not self.server.refuses:
            return False
        self.answer(self.server.refuses)
        return True


class Socks(ThreadingTCPServer):
    """A SOCKS 5 proxy that keeps a list of what it was asked for.

    Args:
        leads_to: port of loopback that it goes to whatever the name.
        password: what it wants to hear.
    """

    daemon_threads = True

    def __init__(self, leads_to, password):
        super().__init__(("127.0.0.1", 0), _SocksWay)
        self.leads_to = leads_to
        self.password = password
        self.asked = []
        self.address = f"127.0.0.1:{self.server_address[1]}"


class _SocksWay(StreamRequestHandler):
    server: Socks

    def handle(self):
        self._take()  # the version
        self._text()  # the methods that it knows: RFC 1929's is wanted
        self.wfile.write(b"\x05\x02")
        self._take()
        self._text()
        good = self._text() == self.server.password
        self.wfile.write(b"\x01" + bytes([not good]))
        if not good:
            return
        self._take(4)  # CONNECT to a name
        host, port = self._text(), int.from_bytes(self._take(2), "big")
        self.server.asked.append(f"{host}:{port}")
        with socket.create_connection(("127.0.0.1", self.server.leads_to), 10) as there:
            self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
            _relay(self.connection, there)

    def _take(self, count=1):
        return self.rfile.read(count)

    def _text(self):
        return self._take(self._take()[0]).decode()


def _relay(one, other):
    while True:
        for ready in select.select([one, other], [], [], 10)[0]:
            data = ready.recv(65_536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


class _Models(Quiet, BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers["Authorization"].startswith("Bearer tgp_")
        body = json.dumps([] if good else {}).encode()
        self.answer(200 if good else 401, body, content_type="application/json")


class _Tls(ThreadingHTTPServer):
    daemon_threads = True
    context = None

    def finish_request(self, request, client_address):
        """Answer in TLS, and say nothing of clients that do not trust it."""
        try:
            with self.context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)
        except OSError:
            return


@contextmanager
def together_in_tls(context):
    """Serve a list of models; yield the port."""
    server = _Tls(("127.0.0.1", 0), _Models)
    server.context = context
    with serving(server):
        yield server.server_port


class Dripping(threading.Thread):
    """A server that sends one byte at a time, for as long as anybody listens; ended after a block."""

    def __init__(self, head):
        super().__init__(daemon=True)
        self._head = head
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.drips = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(PATIENCE)
        assert not self.is_alive()

    def run(self):
        """Send until the connection is closed."""
        tick = threading.Event()
        with self._listener, self._listener.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(self._head)
            try:
                while not tick.wait(0.01):
                    connection.sendall(b"x")
                    self.drips.set()
            except OSError:
                return


def no_such_name(*_):
    """Stand in for a look-up of a name."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def over_once(happened, monkeypatch):
    """Let a request's limit be over once an event has happened, however slow this machine is."""

    class Waiting(SimpleQueue):
        def get(self, **_):
            happened.wait(PATIENCE)
            raise Empty

    monkeypatch.setattr(fetch, "SimpleQueue", Waiting)
