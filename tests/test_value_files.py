"""The folder that processes share: what each writes, what a scrape makes of it, what goes wrong."""

import errno
import itertools
import json
import logging
import os
import resource
import struct
import threading

import pytest
from forking import in_child
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from test_metrics import NOW, STREAM, work

from together_otel import names
from together_otel.telemetry import value_files
from together_otel.telemetry.metrics import KeyUse, Measured
from together_otel.telemetry.multiprocess import Group
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.telemetry.value_files import ProcessFiles

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes share a folder where they fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]

DEAD = 2**22 + 1  # no system gives a process a number as large
FAILURES = names.AUTH_FAILURES.prometheus
REQUESTS = names.REQUESTS.prometheus
COUNT = names.INFERENCE_DURATION.prometheus + "_count"
BUCKETS = names.INFERENCE_DURATION.prometheus + "_bucket"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "deep" / "metrics"


def of(folder, **options):
    """Return the metrics of one process of a folder."""
    return PrometheusMetrics(CollectorRegistry(), files=ProcessFiles(folder), **options)


def ask(metrics, model="m"):
    """Record a request that succeeds."""
    metrics.recorder("chat", model, None, None).record(Measured("success", 1.0, None, model))


def values(collector):
    """Return the samples of a collector."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def total(folder, name):
    """Return the sum of a name's samples in a scrape."""
    return sum(value for (one, _), value in values(Group(folder)).items() if one == name)


def gauge(folder, metric):
    """Return the values of a gauge in a scrape."""
    return sorted(v for (one, _), v in values(Group(folder)).items() if one == metric.prometheus)


def counted(folder):
    """Return requests and durations in a scrape."""
    return total(folder, REQUESTS), total(folder, COUNT)


# ── what is written ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("release", ["latest", "legacy", "both"])
def test_a_scrape_is_what_the_process_has_in_memory(release, folder, monkeypatch):
    """Every metric, in prometheus_client's own reading of the files as well."""
    ticks = itertools.count()
    monkeypatch.setattr("together_otel.plain.clocks.time", lambda: NOW)
    monkeypatch.setattr("together_otel.plain.clocks.monotonic", lambda: 10 * next(ticks))
    metrics = of(folder, release=release, chunk_times=True)
    work(metrics)
    metrics.keys_changed(at_once=True)
    mine = values(metrics)
    shared = values(Group(folder))
    assert ("process_start_time_seconds", frozenset()) in shared
    assert {one: value for one, value in shared.items() if names.is_ours(one[0])} == mine
    theirs = values(MultiProcessCollector(None, str(folder)))
    assert {name for name, _ in mine} == {name for name, _ in theirs}


def test_several_processes_are_added_up(folder):
    """Counts are sums; of the state of authentication, the latest is what holds."""
    first, second = of(folder), of(folder)
    for metrics, at in ((first, 10.0), (second, 30.0), (first, 20.0)):
        ask(metrics)
        metrics.auth_failed("revoked", at)
        metrics.accepted(at + 1)
    assert counted(folder) == (3, 3)
    assert total(folder, FAILURES) == 3
    assert gauge(folder, names.AUTH_LAST_FAILURE) == [30.0]
    assert gauge(folder, names.AUTH_LAST_SUCCESS) == [31.0]


def test_a_success_after_a_failure_is_written_at_once(folder):
    """It is what ends an alert; further ones may wait, and failures may not."""
    metrics = of(folder)
    metrics.accepted(10.0)
    metrics.accepted(11.0)
    assert gauge(folder, names.AUTH_LAST_SUCCESS) == [10.0]
    metrics.auth_failed("revoked", 12.0)
    metrics.accepted(13.0)
    assert gauge(folder, names.AUTH_LAST_FAILURE) == [12.0]
    assert gauge(folder, names.AUTH_LAST_SUCCESS) == [13.0]


def test_more_series_than_a_new_file_holds(folder):
    metrics = of(folder)
    for number in range(90):
        ask(metrics, f"model-{number}")
    ask(metrics, "model-0")
    assert counted(folder) == (91, 91)
    assert (next(folder.glob("histogram_*.db"))).stat().st_size > value_files._SIZE


def test_a_forked_child_has_files_of_its_own(folder):
    """Its counts begin at zero and are added to its parent's, which go on."""
    metrics = of(folder)
    ask(metrics)

    def child():
        ask(metrics)
        return len(list(folder.glob("counter_*.db"))) == 2

    assert in_child(child)
    ask(metrics)
    assert counted(folder) == (3, 3)


# ── keys ─────────────────────────────────────────────────────────────────────────────


def keys(*numbers):
    """Return what tells that these keys are in use, each accepted at the time of its number."""
    found = [KeyUse(f"{number:08x}", "tgp_v1", "argument", number, None) for number in numbers]
    return lambda: found


def test_the_most_recent_keys_whenever_they_came(folder):
    """A process that has used many shows those in use, and none of before."""
    metrics = of(folder)
    for last in range(1, 100):
        metrics.keys_in_use = keys(*range(max(1, last - 31), last + 1))
        metrics.keys_changed(at_once=True)
    assert gauge(folder, names.KEY_INFO) == [1.0] * names.FINGERPRINT_LIMIT
    assert gauge(folder, names.KEY_LAST_ACCEPTED) == list(range(68, 100))


# ── processes come and go ────────────────────────────────────────────────────────────


def renamed(folder, pid, start=None):
    """Let this process's files be those of another."""
    for path in folder.glob(f"*_together-{os.getpid()}-*.db"):
        began = path.stem.rpartition("-")[2] if start is None else f"{start:x}"
        path.rename(path.with_name(f"{path.name.partition('-')[0]}-{pid}-{began}.db"))


def test_what_the_dead_leave(folder):
    """Their counts and times stay; what is of the living goes."""
    metrics = of(folder)
    metrics.keys_in_use = keys(7)
    metrics.auth_failed("revoked", 5.0)
    metrics.recorder("chat", "m", None, None).ratelimits(1, 2)
    metrics.keys_changed(at_once=True)
    renamed(folder, DEAD)
    assert total(folder, FAILURES) == 1
    assert gauge(folder, names.AUTH_LAST_FAILURE) == [5.0]
    assert gauge(folder, names.KEY_LAST_ACCEPTED) == [7.0]
    assert gauge(folder, names.KEY_INFO) == gauge(folder, names.RATELIMIT_LIMIT) == []
    assert list(folder.glob("gauge_live*")) == []


def test_a_process_with_the_number_of_a_dead_one(folder):
    """Of two with one number, the one that began last is alive."""
    old = of(folder)
    old.keys_in_use = keys(1)
    old.keys_changed(at_once=True)
    renamed(folder, os.getpid(), start=1)
    new = of(folder)
    new.keys_in_use = keys(2)
    new.keys_changed(at_once=True)
    assert gauge(folder, names.KEY_INFO) == [1.0]
    assert gauge(folder, names.KEY_LAST_ACCEPTED) == [1.0, 2.0]


def test_the_most_recent_keys_of_all_processes(folder):
    """Those that living processes use come before those that dead ones used."""
    for first, pid in ((1, DEAD), (200, DEAD + 1), (100, 1), (50, os.getppid())):
        metrics = of(folder)
        metrics.keys_in_use = keys(*range(first, first + 20))
        metrics.keys_changed(at_once=True)
        renamed(folder, pid)
    in_use = [*range(50, 70), *range(100, 120)]
    assert gauge(folder, names.KEY_LAST_ACCEPTED) == in_use[-names.FINGERPRINT_LIMIT :]
    assert len(gauge(folder, names.KEY_INFO)) == names.FINGERPRINT_LIMIT


def test_when_the_first_process_began(folder):
    """It is the same whoever serves, and though that process has ended."""
    of(folder)
    renamed(folder, DEAD, start=1_790_000_000_250_000_000)
    of(folder)
    began = total(folder, "process_start_time_seconds")
    assert began == pytest.approx(1_790_000_000.25, abs=1e-3)
    assert [
        family.type for family in Group(folder).collect() if family.name.startswith("process_")
    ] == ["gauge"]


# ── what goes wrong with writing ─────────────────────────────────────────────────────


@pytest.fixture
def clock(monkeypatch):
    """The time that retries go by."""
    now = [1000.0]
    monkeypatch.setattr("together_otel.plain.clocks.monotonic", lambda: now[0])
    return now


def test_a_disk_that_is_full_for_a_while(folder, clock, monkeypatch, caplog):
    """What it has no room for is said once, is in memory, and is written whole once it can be."""
    metrics = of(folder)
    ask(metrics)
    allocate = value_files._allocate

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(value_files, "_allocate", refuse)
    for number in range(40):
        ask(metrics, f"model-{number}")
    there = counted(folder)
    assert there[0] == 41  # its series have their place
    assert 1 <= there[1] < 41
    assert values(metrics)[REQUESTS, SUCCESS] == 41
    metrics.keys_changed(at_once=True)  # where no lock is held, as there is while one counts
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "No space left" in record.getMessage()

    monkeypatch.setattr(value_files, "_allocate", allocate)
    clock[0] += value_files._RETRY
    for number in range(40):
        ask(metrics, f"model-{number}")
    assert counted(folder) == (81, 81)
    assert total(folder, BUCKETS) > 81
    assert len(caplog.records) == 1


def test_gauges_keep_their_space_while_a_disk_is_full(folder, monkeypatch):
    """A key that is used no more makes the others be written anew, into the same file."""
    metrics = of(folder)
    metrics.keys_in_use = keys(1, 2, 3)
    metrics.keys_changed(at_once=True)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(value_files, "_allocate", refuse)
    for number in range(40):
        ask(metrics, f"model-{number}")
    metrics.keys_in_use = keys(1, 2)
    metrics.keys_changed(at_once=True)
    named = [name for name, _ in values(Group(folder))]
    assert named.count(names.KEY_INFO.prometheus) == 2


SUCCESS = frozenset(
    {"gen_ai_operation_name": "chat", "together_request_outcome": "success"}.items()
)


@pytest.mark.parametrize("limit", ["size", "files"])
def test_limits_of_the_system(limit, folder):
    """A file may not grow, or none may be opened any more: the process counts and lives on."""

    def child():
        metrics = of(folder)
        if limit == "size":
            resource.setrlimit(resource.RLIMIT_FSIZE, (value_files._SIZE, value_files._SIZE))
        else:
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, free))
        for number in range(90):
            ask(metrics, f"model-{number}")
        return values(metrics)[REQUESTS, SUCCESS] == 90

    assert in_child(child)
    requests, durations = counted(folder)
    assert requests == 90
    assert durations < 90


@pytest.mark.parametrize("case", ["root gives up its rights", "read-only"])
def test_a_folder_that_a_worker_may_not_write_to(case, tmp_path):
    """Gunicorn's ``user``: what root made before is written to; else the worker counts alone."""
    is_root = os.geteuid() == 0
    if is_root != (case == "root gives up its rights"):
        pytest.skip("of root" if not is_root else "of another user")
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(0o755)
    folder = tmp_path / "metrics"
    metrics = of(folder)

    def child():
        if is_root:
            os.setgid(65534)
            os.setuid(65534)
        else:
            folder.chmod(0o500)
        for _ in range(3):
            metrics.auth_failed("revoked", 5.0)
            ask(metrics)
        return values(metrics)[REQUESTS, SUCCESS] == 3

    assert in_child(child)
    folder.chmod(0o755)
    if is_root:
        assert counted(folder) == (3, 3)
        assert gauge(folder, names.AUTH_LAST_FAILURE) == [5.0]
    assert total(folder, FAILURES) == 3


def test_a_folder_that_is_removed(folder):
    """It is made again for files that are still to be made; nothing is raised."""
    metrics = of(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    ask(metrics)
    metrics.auth_failed("revoked")
    assert values(metrics)[REQUESTS, SUCCESS] == 1
    assert total(folder, COUNT) == 1


def test_a_file_in_place_of_the_folder(folder, clock, caplog):
    folder.parent.mkdir()
    folder.touch()
    metrics = of(folder)
    ask(metrics)
    metrics.auth_failed("revoked")
    assert values(metrics)[REQUESTS, SUCCESS] == 1
    assert len(caplog.records) == 1
    folder.unlink()
    clock[0] += value_files._RETRY
    ask(metrics)
    assert counted(folder) == (2, 2)


def test_no_lock_is_held_while_it_is_logged(folder):
    """A handler may hang: others go on counting."""
    others = []

    class Hanging(logging.Handler):
        def emit(self, record):
            del record
            thread = threading.Thread(target=ask, args=(metrics, "another"), daemon=True)
            thread.start()
            thread.join(5.0)
            others.append(thread.is_alive())

    folder.parent.mkdir()
    folder.touch()
    metrics, logger, handler = of(folder), logging.getLogger("together_otel.metrics"), Hanging()
    logger.addHandler(handler)
    try:
        ask(metrics)
        metrics.auth_failed("revoked")
    finally:
        logger.removeHandler(handler)
    assert others == [False]


def test_links_are_not_followed(folder, monkeypatch):
    """Somebody who can foresee a name gains nothing by putting a link there."""
    monkeypatch.setattr("together_otel.plain.clocks.time_ns", lambda: 255)
    folder.mkdir(parents=True)
    theirs = folder.parent / "theirs"
    theirs.write_bytes(b"theirs")
    for kind in ("counter", "histogram"):
        (folder / f"{kind}_together-{os.getpid()}-ff.new").symlink_to(theirs)
    ask(of(folder))
    assert theirs.read_bytes() == b"theirs"


# ── what goes wrong with reading ─────────────────────────────────────────────────────


def entry(key, value):
    """Return one value as the files hold it."""
    padded = key + b" " * (8 - (len(key) + 4) % 8)
    return struct.pack(f"i{len(padded)}sdd", len(key), padded, value, 0.0)


def file(*entries):
    """Return a file of values."""
    inner = b"".join(entries)
    return struct.pack("ii", 8 + len(inner), 0) + inner


KEY = json.dumps(["orders", "orders_total", {}, "Orders."]).encode()
DAMAGES = {
    "cut off": file(entry(KEY, 1))[:30],
    "a header alone": b"\x08",
    "text": b"this is no file of values at all, but somebody's notes",
    "zeros that count": struct.pack("ii", 400, 0) + bytes(392),
    "more than there is": struct.pack("ii", 2**31 - 1, 0) + entry(KEY, 1),
    "a negative length": struct.pack("iii", 400, 0, -1) + bytes(388),
    "no JSON": file(entry(b'["orders", "orders_tot', 1)),
    "other JSON": file(entry(b'{"orders": 1}', 1)),
    "no UTF-8": file(entry(b"\xff\xfe" * 10, 1)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [f"counter_{DEAD}.db", f"histogram_together-{DEAD}-ff.db"])
def test_a_damaged_file_costs_its_own_counts_only(name, damage, folder, caplog):
    """Said once, and it is looked at again only when it changes."""
    metrics = of(folder)
    ask(metrics)
    damaged = folder / name
    damaged.write_bytes(DAMAGES[damage])
    group = Group(folder)
    for _ in range(3):
        found = values(group)
        assert found[REQUESTS, SUCCESS] == 1
        assert ("orders_total", frozenset()) not in found
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == [str(damaged)]
    if name.startswith("counter"):
        damaged.write_bytes(file(entry(KEY, 5)))
        assert values(group)["orders_total", frozenset()] == 5


def test_a_file_that_may_not_be_read(folder, caplog):
    ask(of(folder))
    (folder / f"counter_{DEAD}.db").symlink_to(folder)
    assert counted(folder) == (1, 1)
    assert len(caplog.records) >= 1


def test_a_file_without_its_header_is_seen_by_nobody(folder, monkeypatch):
    """prometheus_client's own collector would fail on it: it has its name once it is complete."""
    seen = []
    clear = value_files.ValueFile.clear

    def look(self):
        seen.append([path.name for path in folder.glob("*.db")])
        clear(self)

    monkeypatch.setattr(value_files.ValueFile, "clear", look)
    of(folder)
    assert seen == [[]]
    assert len(list(folder.glob("*.db"))) == 1


def test_exemplars_are_not_kept(folder):
    """Files have no room for them."""
    metrics = of(folder)
    metrics.recorder("chat", "m", None, None).record(STREAM)
    samples = [sample for family in metrics.collect() for sample in family.samples]
    assert [sample for sample in samples if sample.exemplar] == []
