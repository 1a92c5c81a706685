"""A process that dies before it is scraped leaves what it counted."""

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import Mock

import prometheus_binaries
import pytest
from processes import PATIENCE, run_to_end
from prometheus_client import CollectorRegistry
from running import eventually, get, samples, total
from serving import answering, serving

from together_otel.names import CAUSES
from together_otel.telemetry import exit_export
from together_otel.testing.ports import free_port
from together_otel.testing.server import TogetherServer

PROGRAM = Path(__file__).parent / "programs" / "job.py"
FAILURES = "together_client_auth_failures_total"
REQUESTS = "together_client_requests_total"
UNSCRAPED = {"missing": "1", "job": "3"}
"""What a program ends with → its exit code: one dies in its constructor, one does its work."""


@pytest.fixture
def run(key, tmp_path):
    """Run the job under `opentelemetry-instrument`, with a good key unless told otherwise."""
    with TogetherServer(keys=[key]) as together:

        def run_it(*arguments, **environment):
            folder = Path(sys.executable).parent
            given = {
                "PATH": os.environ["PATH"],
                "TOGETHER_API_KEY": key,
                "TOGETHER_BASE_URL": together.url,
                "TOGETHER_NO_BANNER": "1",
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_METRICS_EXPORTER": "none",
                **environment,
            }
            return run_to_end(
                [folder / "opentelemetry-instrument", sys.executable, PROGRAM, *arguments],
                cwd=tmp_path,
                env={name: value for name, value in given.items() if value != "unset"},
            )

        yield run_it


def leave_at(url):
    """Leave counts at a gateway as on exit, but in this process."""
    export = exit_export.ExitExport(CollectorRegistry(), lambda: None, gateway=url, folder=None)
    export.start()
    export._exit()


@pytest.fixture
def gateway(tmp_path):
    """The port of a real Pushgateway."""
    program = prometheus_binaries.require("pushgateway")
    port = free_port()
    with (tmp_path / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
        try:
            eventually(lambda: get(port, "/-/ready"))
            yield port
        finally:
            process.kill()
            process.wait()


def test_a_job_pushes(run, gateway):
    """Under its service's name: requests, and the stream that was open at the exit."""
    done = run(TOGETHER_OTEL_PUSHGATEWAY=f"http://127.0.0.1:{gateway}", OTEL_SERVICE_NAME="nightly")
    scrape = get(gateway, "/metrics")

    assert (done.returncode, done.stderr) == (3, "")
    assert total(scrape, REQUESTS, job="nightly", together_request_outcome="success") == 1
    assert total(scrape, REQUESTS, job="nightly", together_request_outcome="abandoned") == 1
    assert total(scrape, FAILURES, job="nightly") == 0
    assert len(samples(scrape)[FAILURES]) == len(CAUSES)


def test_one_that_dies_in_its_constructor_pushes(run, gateway):
    """For want of a key; the next run, with one, puts its own counts in their place."""
    url = f"http://127.0.0.1:{gateway}"
    done = run(TOGETHER_OTEL_PUSHGATEWAY=url, TOGETHER_API_KEY="unset")
    assert done.returncode == 1
    assert "TogetherError" in done.stderr
    scrape = get(gateway, "/metrics")
    assert total(scrape, FAILURES, job="job", together_auth_cause="missing") == 1

    run(TOGETHER_OTEL_PUSHGATEWAY=url)
    scrape = get(gateway, "/metrics")
    assert total(scrape, FAILURES, job="job") == 0
    assert total(scrape, REQUESTS, job="job", together_request_outcome="success") == 1


def test_a_group_of_the_gateway(run, gateway):
    """The URL may name the group; what the application pushed to it stays."""
    group = f"http://127.0.0.1:{gateway}/metrics/job/billing/instance/eu-1"
    own = subprocess.run(
        [sys.executable, "-c", OWN, f"http://127.0.0.1:{gateway}"], timeout=PATIENCE, check=True
    )
    assert own.returncode == 0
    run(TOGETHER_OTEL_PUSHGATEWAY=group)
    scrape = get(gateway, "/metrics")

    assert total(scrape, REQUESTS, job="billing", instance="eu-1") == 2
    assert total(scrape, "invoices", job="billing", instance="eu-1") == 7


OWN = """
import sys
from prometheus_client import CollectorRegistry, Gauge, push_to_gateway
registry = CollectorRegistry()
Gauge("invoices", "Invoices.", registry=registry).set(7)
push_to_gateway(sys.argv[1], "billing", registry, {"instance": "eu-1"})
"""


@pytest.mark.parametrize("multiprocess", [True, False], ids=["shared folder", "alone"])
def test_a_job_that_forks(multiprocess, run, gateway, tmp_path):
    """A child leaves nothing of its own; with a shared folder its counts are among the parent's."""
    more = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")} if multiprocess else {}
    done = run("fork", TOGETHER_OTEL_PUSHGATEWAY=f"http://127.0.0.1:{gateway}", **more)
    scrape = get(gateway, "/metrics")

    assert done.returncode == 3
    assert total(scrape, REQUESTS, together_request_outcome="success") == 1 + multiprocess
    assert total(scrape, REQUESTS, together_request_outcome="abandoned") == 1


@pytest.mark.parametrize("way", UNSCRAPED)
def test_a_job_writes_a_file(way, run, tmp_path):
    """One a job, whole, with the job as a label, as node_exporter has no other for it."""
    folder = tmp_path / "textfiles" / "new"
    done = run(
        TOGETHER_OTEL_TEXTFILE=str(folder),
        OTEL_RESOURCE_ATTRIBUTES="team=a,service.name=data%20jobs",
        **({"TOGETHER_API_KEY": "unset"} if way == "missing" else {}),
    )
    assert str(done.returncode) == UNSCRAPED[way]
    (written,) = folder.iterdir()
    assert written.name == "together_otel_data_jobs.prom"
    text = written.read_text(encoding="utf-8")
    assert total(text, FAILURES, job="data jobs", together_auth_cause="missing") == (
        way == "missing"
    )
    assert all(
        labels["job"] == "data jobs" for found in samples(text).values() for labels, _ in found
    )
    checked = run_to_end([prometheus_binaries.require("promtool"), "check", "metrics"], input=text)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_job_that_turns_it_off_before_its_end(run, tmp_path):
    """What was counted until then is left."""
    done = run("uninstrument", TOGETHER_OTEL_TEXTFILE=str(tmp_path))
    assert done.returncode == 3
    text = (tmp_path / "together_otel_job.prom").read_text(encoding="utf-8")
    assert total(text, REQUESTS, together_request_outcome="success") == 1


def test_both_at_once(run, gateway, tmp_path):
    run(
        TOGETHER_OTEL_PUSHGATEWAY=f"http://127.0.0.1:{gateway}",
        TOGETHER_OTEL_TEXTFILE=str(tmp_path),
    )
    assert total(get(gateway, "/metrics"), REQUESTS) == 2
    assert total((tmp_path / "together_otel_job.prom").read_text(encoding="utf-8"), REQUESTS) == 2


def test_a_gateway_that_is_not_there(run):
    """One warning that names it and the variable, without the password; the exit code is the job's."""
    url = f"http://user:hidden-word@127.0.0.1:{free_port()}"
    done = run(TOGETHER_OTEL_PUSHGATEWAY=url)

    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "The last counts of this process are lost" in line
    assert "Connection refused" in line
    assert "TOGETHER_OTEL_PUSHGATEWAY" in line
    assert "hidden-word" not in done.stderr


def test_a_gateway_that_never_answers(run):
    """The exit does not wait for it beyond its two seconds."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        done = run("hurry", TOGETHER_OTEL_PUSHGATEWAY=f"http://127.0.0.1:{silent.getsockname()[1]}")

    assert done.returncode == 3
    assert "The last counts of this process are lost" in done.stderr
    assert exit_export.LIMIT == 2.0
    assert exit_export._ATTEMPT < exit_export.LIMIT


def test_a_gateway_that_dribbles(run):
    """Nor for one that answers a character at a time, whose every step is quick."""

    def dribble(request):
        with contextlib.suppress(OSError):
            while not gone.wait(0.2):
                request.wfile.write(b"H")

    gone = threading.Event()
    with serving(answering(dribble)) as server:
        done = run("hurry", TOGETHER_OTEL_PUSHGATEWAY=f"http://127.0.0.1:{server.server_port}")
        gone.set()

    assert done.returncode == 3
    assert "did not accept them within 2 s" in done.stderr


def test_a_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = run(TOGETHER_OTEL_TEXTFILE=str(tmp_path / "file"))

    assert done.returncode == 3
    assert "TOGETHER_OTEL_TEXTFILE" in done.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def test_a_gateway_behind_a_password(caplog):
    """User and password of the URL go into the request's header, and nowhere else."""
    seen = []

    def take(request):
        seen.append((request.path, request.headers["Authorization"]))
        request.body()
        request.answer(200)

    with serving(answering(take)) as server:
        leave_at(f"http://me:a%20word@127.0.0.1:{server.server_port}/metrics/job/mine")

    assert caplog.text == ""
    assert seen == [("/metrics/job/mine", "Basic bWU6YSB3b3Jk")]


@pytest.mark.parametrize("mark", ["/", "#", "?"])
@pytest.mark.parametrize("place", ["@127.0.0.1:1", "@host.invalid", "@"])
def test_a_password_that_is_not_written_as_it_should_be(mark, place, caplog):
    """To a parser it is a path, and its user a host: no word of it is in a log."""
    leave_at(f"http://someone:s3cr3t{mark}rest{place}")

    assert "TOGETHER_OTEL_PUSHGATEWAY" in caplog.text
    for word in ("someone", "s3cr3t", "rest"):
        assert word not in caplog.text


def test_a_gateway_that_repeats_the_password(caplog):
    """What a server says is not ours: it is redacted, and stays on one line."""

    def refuse(request):
        request.body()
        request.send_response(401, "no someone:s3cr3t-word\x0bhere")
        request.end_headers()

    with serving(answering(refuse)) as server:
        leave_at(f"http://someone:s3cr3t-word@127.0.0.1:{server.server_port}")

    assert "did not accept them (no " in caplog.text
    assert f"127.0.0.1:{server.server_port}" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert "\x0b" not in caplog.text


# ── files that are only our own ──────────────────────────────────────────────────────


def test_a_file_is_replaced_at_once(tmp_path):
    """By one that everybody may read; nothing else is left in the folder."""
    path = tmp_path / "job.prom"
    for content in (b"first", b"second"):
        exit_export.replace_own(path, content)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("case", ["a link", "a link to nothing", "a folder", "another user's"])
def test_what_is_not_our_own_is_left_alone(case, tmp_path):
    path, theirs = tmp_path / "shared" / "job.prom", tmp_path / "theirs"
    path.parent.mkdir()
    if case == "a folder":
        path.mkdir()
    elif case == "another user's":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        path.write_bytes(b"theirs")
        os.chown(path, 65534, 65534)
    else:
        if case == "a link":
            theirs.write_bytes(b"theirs")
        path.symlink_to(theirs)
    with pytest.raises(FileExistsError):
        exit_export.replace_own(path, b"ours")
    assert list(path.parent.iterdir()) == [path]
    assert not theirs.exists() or theirs.read_bytes() == b"theirs"


def test_nothing_is_left_of_what_cannot_be_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        exit_export.replace_own(tmp_path / "job.prom", b"ours")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host:9091", ("http://host:9091", "mine", {})),
        ("http://host:9091/", ("http://host:9091", "mine", {})),
        ("http://host/prefix", ("http://host/prefix", "mine", {})),
        ("http://host/metrics/job/a%20b", ("http://host", "a b", {})),
        ("http://host/p/metrics/job/a/env/prod", ("http://host/p", "a", {"env": "prod"})),
    ],
)
def test_target(url, expected):
    assert exit_export.target(url, "mine") == expected


def test_job_name(monkeypatch):
    """The service's name as OpenTelemetry takes it, else the program's."""
    monkeypatch.setattr(sys, "argv", ["/srv/report.py"])
    assert exit_export.job_name({"OTEL_SERVICE_NAME": " shop "}) == "shop"
    assert exit_export.job_name({"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=c%20d"}) == "c d"
    assert exit_export.job_name({"OTEL_RESOURCE_ATTRIBUTES": "service.name="}) == "report"
    for argv, name in (
        (["-c"], "c"),
        (["/srv/report/__main__.py"], "report"),
        ([], "python"),
    ):
        monkeypatch.setattr(sys, "argv", argv)
        assert exit_export.job_name({}) == name


def test_no_thread_can_be_started(monkeypatch):
    """The exit does not wait for what nobody sends."""
    export = exit_export.ExitExport(CollectorRegistry(), list, gateway=None, folder="/absent")
    registered = []
    monkeypatch.setattr(exit_export.atexit, "register", registered.append)
    monkeypatch.setattr(exit_export.threading.Thread, "start", Mock(side_effect=RuntimeError))
    with pytest.raises(RuntimeError):
        export.start()
    assert registered == []
