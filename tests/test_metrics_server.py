"""The port of metrics against whoever connects: the application keeps its threads and descriptors."""

import os
import socket
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection

import pytest
from processes import PATIENCE
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.registry import Collector
from running import Endpoint, eventually

from together_otel.telemetry import http_endpoint, metrics_server
from together_otel.telemetry.metrics_server import CONNECTIONS, SECONDS
from together_otel.testing.ports import free_port


class Clock:
    """The server's clock, which goes on when a test says so."""

    def __init__(self):
        self.now = 0.0
        self._asked = threading.Event()

    def monotonic(self):
        self._asked.set()
        return self.now

    def pass_by(self, seconds):
        """Go on, and wait until the server has looked at all connections."""
        self.now += seconds
        for _ in range(2):  # the first look may have begun before
            self._asked.clear()
            assert self._asked.wait(PATIENCE)


@pytest.fixture(autouse=True)
def clock(tmp_path, monkeypatch):
    """Wait less, and keep locks apart from those of the machine's other services."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(http_endpoint, "_TAKEOVER", 0.02)
    monkeypatch.setattr(metrics_server.MetricsServer, "timeout", 0.02)
    monkeypatch.setattr(metrics_server, "time", made := Clock())
    return made


@pytest.fixture
def registry():
    made = CollectorRegistry()
    Counter("orders", "Orders.", registry=made).inc()
    return made


@pytest.fixture
def endpoint(registry):
    """A registry that is served."""
    made = Endpoint("127.0.0.1", 0, registry, None, lambda *_: None)
    made.start()
    assert made.wait(PATIENCE)
    yield made
    made.stop()


@pytest.fixture
def connect(endpoint):
    """Connect to it; closed afterwards."""
    opened = []

    def one():
        assert endpoint.address
        opened.append(socket.create_connection(endpoint.address, PATIENCE))
        return opened[-1]

    yield one
    for connection in opened:
        connection.close()


def get(endpoint, path="/metrics", method="GET"):
    """Return status and body of an answer."""
    assert endpoint.address
    connection = HTTPConnection(*endpoint.address, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ended(connection):
    """Return what is still sent on a connection until the other side ends it."""
    received = b""
    try:
        while more := connection.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    return received


def serving():
    """Return how many threads serve connections."""
    return sum("process_request_thread" in one.name for one in threading.enumerate())


def test_idle_connections(endpoint, connect, clock):
    """There are never more than a few, a scrape comes between, and all are ended in time."""
    idle = [connect() for _ in range(4 * CONNECTIONS)]
    for connection in idle:
        try:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX-slow: ")
        except OSError:  # it has been ended for a newer one
            continue
    for _ in range(3):
        assert get(endpoint)[0] == 200
        eventually(lambda: serving() <= CONNECTIONS)
    clock.pass_by(2 * SECONDS)
    assert [ended(one) for one in idle] == [b""] * len(idle)
    eventually(lambda: not serving())
    assert get(endpoint)[0] == 200


def test_a_request_that_drips(endpoint, connect, clock):
    """It is the whole request that has a time, not each of its parts."""
    connection = connect()
    connection.settimeout(0.02)
    request = iter(b"GET /metrics HTTP/1.1\r\n" + b"X-drop: drip\r\n" * 1000)
    while True:
        try:
            connection.sendall(bytes([next(request)]))
            if connection.recv(1) == b"":
                break
        except TimeoutError:
            clock.now += SECONDS / 10
        except OSError:
            break
    assert clock.now >= SECONDS
    assert get(endpoint)[0] == 200


class Large(Collector):
    """More than fits between two sockets."""

    def collect(self):
        counter = Counter("large", "x" * 30_000_000, registry=None)
        return counter.collect()


def test_an_answer_that_nobody_takes(endpoint, registry, connect, clock):
    registry.register(Large())
    connection = connect()
    connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert connection.recv(1)
    clock.pass_by(2 * SECONDS)
    eventually(lambda: not serving())
    assert len(ended(connection)) < 30_000_000
    assert get(endpoint, "/metrics?name[]=orders_total")[0] == 200


class Slow(Collector):
    """Takes longer than a request may."""

    def __init__(self, clock):
        self._clock = clock

    def describe(self):
        return []

    def collect(self):
        self._clock.pass_by(2 * SECONDS)
        return []


def test_an_answer_that_takes_long_to_make(endpoint, registry, clock):
    """That is not its reader's fault."""
    registry.register(Slow(clock))
    assert "orders_total 1.0" in get(endpoint)[1]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", b""),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /metrics HTTP/1.1\r\n" + b"X-many: x\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /metrics HTTP/1.1\r\nX-long: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"501"),
        (b"GET http://[::1 HTTP/1.1\r\n\r\n", b"500"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\n", b"400"),
    ],
    ids=[
        "nothing",
        "no request",
        "a version of the future",
        "many headers",
        "a long path",
        "a long header",
        "another method",
        "a broken address",
        "TLS",
    ],
)
def test_malformed_requests(request_, status, endpoint, connect, capfd):
    """Answered or ended, and nothing of it on the application's output."""
    connection = connect()
    connection.sendall(request_)
    first, _, _ = ended(connection).partition(b"\r\n")
    assert status in first
    assert get(endpoint)[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_connection_that_breaks(endpoint, connect, capfd):
    for _ in range(20):
        connection = connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        connection.close()
    assert get(endpoint)[0] == 200
    assert capfd.readouterr() == ("", "")


class Broken(Collector):
    """A collector of the application's that fails, and tells too much."""

    def collect(self):
        raise RuntimeError("a secret")


def test_a_collector_that_fails(endpoint, registry, caplog, capfd):
    """An answer that says so, and one line in the log, without the error's text."""
    broken = Broken()
    broken.describe = list  # type: ignore[attr-defined]
    registry.register(broken)
    for _ in range(3):
        status, body = get(endpoint)
        assert status == 500
        assert "a secret" not in body
    assert [one.getMessage() for one in caplog.records] == [
        "A request for /metrics failed with RuntimeError."
    ]
    assert "a secret" not in "".join(capfd.readouterr())


def test_no_descriptor_for_a_connection(endpoint, monkeypatch, connect):
    """The thread waits a moment instead of spinning, and serves once there are some."""
    tries = []

    def refuse(_):
        tries.append(time.monotonic())
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(metrics_server.TCPServer, "get_request", refuse)
        connect()
        eventually(lambda: len(tries) >= 5)
        assert tries[4] - tries[0] >= 4 * 0.02
    assert get(endpoint)[0] == 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("case", ["a pipe", "another user's"])
def test_a_lock_that_is_not_our_own(case, registry, tmp_path):
    """It is left alone, and the port alone decides."""
    port = free_port()
    lock = tmp_path / f"together_otel-{os.geteuid()}-{port}.lock"
    if case == "a pipe":
        os.mkfifo(lock)
    elif os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    else:
        lock.touch()
        os.chown(lock, 65534, 65534)
    made = Endpoint("127.0.0.1", port, registry, None, lambda *_: None)
    made.start()
    try:
        assert made.wait(PATIENCE)
        assert made._lock is None
        assert get(made)[0] == 200
    finally:
        made.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="others let the wait for a connection run out")
def test_its_end_does_not_wait_for_a_connection(registry, monkeypatch):
    monkeypatch.setattr(metrics_server.MetricsServer, "timeout", PATIENCE)
    made = Endpoint("127.0.0.1", 0, registry, None, lambda *_: None)
    made.start()
    assert made.wait(PATIENCE)
    started = time.monotonic()
    made.stop()
    assert time.monotonic() - started < PATIENCE
