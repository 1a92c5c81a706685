"""The port: served, given up, waited for. The folder: what of it a scrape shows."""

import logging
import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from inspect import getclosurevars

import pytest
from processes import PATIENCE
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, metrics, values
from running import Endpoint, eventually, get

from together_otel import TogetherInstrumentor
from together_otel.telemetry import http_endpoint
from together_otel.telemetry.multiprocess import Group
from together_otel.testing.ports import free_port

TAKEOVER = http_endpoint._TAKEOVER
DEAD, LIVING = 2**22 + 1, os.getpid()  # no system gives a process a number as large


@pytest.fixture(autouse=True)
def own_locks(tmp_path, monkeypatch):
    """Keep locks apart from those of the machine's other services, and wait less."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(http_endpoint, "_TAKEOVER", 0.02)


@pytest.fixture
def registry():
    """A registry with a counter in it."""
    made = CollectorRegistry()
    Counter("orders", "Orders.", registry=made).inc()
    return made


@pytest.fixture
def serve(registry):
    """Start to serve the registry; not served any more afterwards."""
    started = []

    def one(port, host="127.0.0.1", lost=lambda *_: None):
        made = Endpoint(host, port, registry, None, lost)
        made.start()
        started.append(made)
        return made

    yield one
    for made in started:
        made.stop()


def test_takeover_is_within_two_seconds():
    """Tries for the port are so close that even a slow machine has time for several."""
    assert TAKEOVER <= 0.5


def test_served_until_it_is_stopped(serve):
    """Neither thread nor socket nor lock is left, and it can be had again."""
    port = free_port()
    first = serve(port)
    for _ in range(2):
        assert first.wait(PATIENCE)
        assert first.address == ("127.0.0.1", port)
        assert "orders_total 1.0" in get(port)
        first.stop()
        assert first.address is None
        assert get(port) is None
        assert "together-otel-http-endpoint" not in {one.name for one in threading.enumerate()}
        first.start()


def test_stopped_before_it_was_served(serve):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        waiting = serve(stranger.getsockname()[1])
        waiting.stop()
        waiting.stop()


def test_instrument_and_uninstrument(monkeypatch):
    """The port is open as long as the instrumentation is on."""
    port = free_port()
    monkeypatch.setenv("TOGETHER_OTEL_PROMETHEUS_PORT", str(port))
    for _ in range(2):
        TogetherInstrumentor().instrument(registry=CollectorRegistry())
        try:
            eventually(lambda: _is_open(port))
            revoked = 'together_client_auth_failures_total{together_auth_cause="revoked"} 0.0'
            assert revoked in get(port)
        finally:
            TogetherInstrumentor().uninstrument()
        assert not _is_open(port)


def _is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_any_free_port(serve):
    """With port 0 several are served at once."""
    served = [serve(0), serve(0)]
    assert all(one.wait(PATIENCE) for one in served)
    ports = {one.address[1] for one in served if one.address}
    assert len(ports) == 2
    for port in ports:
        assert "orders_total" in get(port)


def test_ipv6(serve):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    served = serve(0, "::1")
    assert served.wait(PATIENCE)
    assert served.address
    assert served.address[0] == "::1"
    assert "orders_total" in get(served.address[1], host="::1")


def test_the_machines_name_is_not_asked_for(serve, monkeypatch):
    """DNS may take longer to say that it has none than a port may take to be served."""
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("asked"))
    assert serve(0).wait(PATIENCE)


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"], ids=["stranger", "other machine"])
def test_a_port_that_cannot_be_had(host, serve, caplog):
    """One warning, however often it is tried."""
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        waiting = serve(port, host)
        has_turn = waiting._has_turn
        waiting._has_turn = lambda: tries.append(1) or has_turn()
        eventually(lambda: len(tries) > 3)
        assert [one.getMessage() for one in caplog.records] == [_with_port(caplog, host, port)]
        assert waiting.address is None
    if host == "127.0.0.1":
        assert waiting.wait(PATIENCE)
        assert "orders_total" in get(port)
    assert len(caplog.records) == 1


def _with_port(caplog, host, port):
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert message.startswith(f"/metrics cannot be served on {host} port {port} (")
    assert "TOGETHER_OTEL_PROMETHEUS_PORT" in message
    return message


@pytest.mark.parametrize("case", ["no folder", "a link"])
def test_without_a_lock(case, serve, tmp_path):
    """Where the file cannot be made, or is a link to somebody's, the port alone decides."""
    port = free_port()
    if case == "no folder":
        tempfile.tempdir = str(tmp_path / "gone")
    else:
        (tmp_path / f"together_otel-{os.getuid()}-{port}.lock").symlink_to(tmp_path / "theirs")
    assert serve(port).wait(PATIENCE)
    assert "orders_total" in get(port)
    assert not (tmp_path / "theirs").exists()


def test_no_thread_to_be_had(serve, monkeypatch, caplog):
    """A warning, and nothing is raised into the application."""

    def refuse(_thread):
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    serve(0).stop()
    assert "TOGETHER_OTEL_PROMETHEUS_PORT is not served: can't start new thread" in caplog.text


@contextmanager
def forked(begin):
    """Run something in a forked child, which then lives until the block ends."""
    ready, go = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        os.close(go[1])
        try:
            begin()
            os.write(ready[1], b".")
            os.read(go[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    os.close(go[0])
    try:
        assert os.read(ready[0], 1)
        yield
    finally:
        os.close(ready[0])
        os.close(go[1])
        os.waitpid(child, 0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_another_process_has_the_port(serve):
    """Told as lost, with what tells that it no longer is so once the other has gone."""
    port = free_port()
    lost = []
    with forked(lambda: serve(port).wait(PATIENCE)):
        waiting = serve(port, lost=lambda *told: lost.append(told))
        eventually(lambda: lost)
        warning, applies = lost[0]
        assert str(port) in warning
        assert "PROMETHEUS_MULTIPROC_DIR" in warning
        assert applies()
        assert waiting.address is None
    assert waiting.wait(PATIENCE)
    assert not applies()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_does_not_keep_the_port(serve):
    """Nor serves it: its copy of the socket is closed, and the port is free though it lives on."""
    port = free_port()
    served = serve(port)
    assert served.wait(PATIENCE)

    def serves_nothing():
        assert served.address is None

    with forked(serves_nothing):
        served.stop()
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))  # without SO_REUSEADDR


# ── the folder ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that processes share."""
    made = tmp_path / "metrics"
    made.mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(made))
    return made


@pytest.fixture
def process(folder, monkeypatch):
    """Leave in the folder what a process of some number would."""
    del folder
    kinds = []

    def one(pid):
        kind = values.MultiProcessValue(lambda: pid)
        kinds.append(kind)
        monkeypatch.setattr(values, "ValueClass", kind)
        assert metrics.values is values
        Counter("together_client_orders", "Orders.", registry=None).inc()
        Counter("orders", "Orders.", registry=None).inc()
        Gauge("together_client_live", "Live.", registry=None, multiprocess_mode="livemax").set(1)
        Histogram("together_client_sizes", "Sizes.", registry=None, buckets=(1e6,)).observe(1)
        monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())

    yield one
    for kind in kinds:
        for file in getclosurevars(kind._MmapedValue__reset).nonlocals["files"].values():
            file.close()


def shown(folder):
    """Return the samples of a folder, with their bounds."""
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in Group(folder).collect()
        for sample in family.samples
    }


def test_all_processes_and_what_the_dead_leave(folder, process):
    """Counts of the dead stay, what is kept of the living goes; bounds are as exported."""
    for pid in (LIVING, DEAD):
        process(pid)
    assert shown(folder) == {
        "together_client_orders_total": 2,
        "orders_total": 2,
        "together_client_live": 1,
        "together_client_sizes_bucket 1000000.0": 2,
        "together_client_sizes_bucket +Inf": 2,
        "together_client_sizes_count": 2,
        "together_client_sizes_sum": 2,
    }
    assert [path.name for path in folder.glob("gauge_live*")] == [f"gauge_livemax_{LIVING}.db"]


def test_the_last_of_the_living(folder, process):
    """Nobody lives: nothing is live."""
    process(DEAD)
    assert "together_client_live" not in shown(folder)
    assert shown(folder)["together_client_orders_total"] == 1


def test_processes_with_other_numbers_are_not_buried(folder, process, monkeypatch):
    """Its manual has uWSGI's workers numbered from 1: that 3 is no process says nothing."""
    process(DEAD)
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue(lambda: 3))
    assert shown(folder)["together_client_live"] == 1
    monkeypatch.setattr(values, "ValueClass", values.MutexValue)
    assert shown(folder)["together_client_live"] == 1


def test_files_that_are_just_made(folder, process):
    """An empty one is left out, and so is nothing else."""
    process(LIVING)
    (folder / f"counter_{DEAD}.db").touch()
    assert shown(folder)["together_client_orders_total"] == 1


def test_a_folder_that_is_gone(folder):
    """Nothing is shown, nothing is raised."""
    folder.rmdir()
    assert shown(folder) == {}


def test_scrapes_and_burials_at_the_same_time(folder, process):
    """Each scrape is whole, whoever buries."""
    process(LIVING)
    found = []

    def look():
        found.extend(shown(folder)["together_client_orders_total"] for _ in range(50))

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for one in lookers:
        one.start()
    kept = (folder / f"gauge_livemax_{LIVING}.db").read_bytes()
    while any(one.is_alive() for one in lookers):
        for pid in range(DEAD, DEAD + 10):
            (folder / f"gauge_livemax_{pid}.db").write_bytes(kept)
    for one in lookers:
        one.join()
    assert found == [1] * 150
