"""Standard output that is closed, full, not read or of few letters; Ctrl-C; keys as arguments."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from processes import PATIENCE, run_to_end

from together_otel.cli import main

COMMAND = [sys.executable, "-m", "together_otel"]
# Every exporter is there and goes nowhere, so that the doctor has something to say and no problem.
ENVIRONMENT = {
    "TOGETHER_API_KEY": "tgp_" + "v1_" + "aB3_" * 10 + "abc",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
# In the background of a script, where these tests may run, Ctrl-C is ignored.
ON_A_TERMINAL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from together_otel.cli import main
sys.exit(main())
"""
HAS_FULL_DEVICE = Path("/dev/full").exists()


@pytest.fixture
def unread():
    """A pipe that nobody reads from."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


def run(*arguments, stdout=subprocess.PIPE, close="", **more):
    words = ["sh", "-c", f'exec "$@" {close}', "sh", *COMMAND, *arguments]
    return subprocess.run(
        words,
        env={**os.environ, **ENVIRONMENT, **more},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("check",), 0),
        (("check", "--json"), 0),
        (("doctor",), 1),
        (("doctor", "--json"), 1),
        (("check", "--help"), 0),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_a_reader_that_has_gone(arguments, code, unread):
    """``… | head -1``: nothing is said of it, and the exit code is what it is."""
    done = run(*arguments, stdout=unread)
    assert (done.stderr, done.returncode) == ("", code)


def test_the_reader_of_errors_has_gone(unread):
    done = subprocess.run(
        [*COMMAND, "nonsense"], stdout=unread, stderr=unread, check=False, timeout=PATIENCE
    )
    assert done.returncode == 64


@pytest.mark.parametrize("close", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "code"), [("check", 0), ("doctor", 1)])
def test_streams_that_are_closed(command, code, close):
    done = run(command, close=close)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", code)


@pytest.mark.skipif(not HAS_FULL_DEVICE, reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_disk_that_is_full(command):
    done = run(command, close="> /dev/full")
    assert done.stderr == (
        "together-otel: standard output cannot be written: No space left on device.\n"
    )
    assert done.returncode == 73


def test_an_output_of_few_letters(tmp_path):
    """What cannot be written in ASCII is written as Python would, in whichever command."""
    place = tmp_path / "métriques"
    done = run("export", str(place), "--only", "rules", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "m\\xe9triques" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("command", ["check", "doctor"])
def test_ctrl_c(command):
    """No traceback, and the exit code that shells give to what Ctrl-C ended."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        arguments = ["check", "--live"] if command == "check" else ["doctor", "--scrape", url]
        process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *arguments],
            env={**os.environ, **ENVIRONMENT, "TOGETHER_BASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection, process:
            assert connection.recv(1)  # it has asked, and waits
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
    assert (out, err, process.returncode) == ("", "", 130)


SECRET = "Q7xZ" * 6
KEYS = {
    "TOGETHER_API_KEY": f"opaque-{SECRET}",
    "TOGETHERAI_API_KEY": f"look.alike/{SECRET}",
    "ELSEWHERE": f"unknown~{SECRET}",
    "ENCODED": base64.b64encode(("tgp_" + f"v1_{SECRET}").encode()).decode(),
}


@pytest.mark.parametrize("place", KEYS)
@pytest.mark.parametrize(
    "arguments",
    [
        ["{}"],
        ["check", "{}"],
        ["check", "--env-file={}"],
        ["check", "--json={}"],
        ["doctor", "--scrape", "{}"],
        ["drill", "--cause", "{}"],
        ["drill", "--cause", "revoked", "--port", "{}"],
        ["export", "--only", "{}", "monitoring"],
        ["export", "monitoring", "--job", "{}"],
    ],
    ids=" ".join,
)
def test_a_key_as_an_argument(arguments, place, tmp_path, monkeypatch, capsys):
    """Of whichever shape, in whichever place, and in no variable at all; what is wrong is said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(place, KEYS[place])
    if "--job" in arguments:
        (tmp_path / "monitoring").touch()
    with pytest.raises(SystemExit) as ended:
        main([one.format(KEYS[place]) for one in arguments])
    said = capsys.readouterr().err
    assert ended.value.code == 64
    assert "usage: together-otel" in said
    assert not [at for at in range(len(KEYS[place]) - 7) if KEYS[place][at : at + 8] in said]


def test_a_fault_of_ours(monkeypatch, capsys):
    """It is told where, without a traceback, whose lines may hold a key."""
    key = ENVIRONMENT["TOGETHER_API_KEY"]

    def fail(*_):
        raise RuntimeError(f"not expected: {key}")

    monkeypatch.setattr("together_otel.cli.check.command.lookalikes", fail)
    monkeypatch.setenv("TOGETHER_API_KEY", key)
    assert main(["check"]) == 70
    said = capsys.readouterr()
    assert not said.out
    assert re.fullmatch(
        r"together-otel: RuntimeError in test_output.py, line \d+: not expected: tgp_v1_?\[key\]\."
        r" This is a bug: please report it\.\n",
        said.err,
    )


def test_the_version():
    """By the module as by the script."""
    done = run_to_end([*COMMAND, "--version"], check=True)
    assert (done.stdout, done.stderr) == (f"together-otel {version('together-otel')}\n", "")
