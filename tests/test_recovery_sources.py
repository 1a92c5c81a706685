"""Where another key may come from: each source by itself."""

import concurrent.futures
import dataclasses
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import run_to_end
from running import eventually
from terminals import on_a_terminal

from together_otel import recovery
from together_otel.recovery import terminal
from together_otel.recovery.asking import answer_of
from together_otel.recovery.search import keys_in
from together_otel.recovery.sources import as_sources, from_setting
from together_otel.recovery.watching import read_text
from together_otel.settings import Settings

KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
ROOT = Path(__file__).parents[1]

# ── prompt ───────────────────────────────────────────────────────────────────────────

ASKS = """
import sys, termios, threading, time
from together_otel.recovery import prompt

found = []
source = prompt("Key? ")
asks = threading.Thread(target=lambda: found.append(source.look()), daemon=True)
if sys.argv[2] == "in the main thread":
    asks.run()
else:
    asks.start()
    while sys.argv[2] == "leave" and termios.tcgetattr(0)[3] & termios.ECHO:
        time.sleep(0.001)
    if sys.argv[2] == "leave":
        sys.exit()
    asks.join()
print("found", found == [sys.argv[1]], found == [None])
"""


def asked(how, *typed):
    """Run a program that asks for a key; return what it shows, and whether the terminal echoes."""
    command = [sys.executable, "-c", ASKS, KEY, how]
    return on_a_terminal(command, *typed, asks=(b"Key? ", b"one: "))[1:]


@pytest.mark.parametrize("how", ["in the main thread", "in another thread"])
def test_prompt_asked(how):
    """What is typed is the key, and is not shown."""
    shown, echoes = asked(how, KEY.encode() + b"\n")
    assert "found True False" in shown
    assert KEY not in shown
    assert echoes


def test_prompt_asks_again_for_what_cannot_be_a_key():
    """It says why, not what; after three answers it takes the last."""
    quoted, placeholder, other = f'"{KEY}"', "changeme", "gsk_" + "a1B2" * 13
    typed = [answer.encode() + b"\n" for answer in (quoted, other, KEY)]
    shown, _ = asked("in the main thread", *typed)
    assert "This key cannot work: it has quotes around it. Enter another one: " in shown
    assert "This key cannot work: it is a key of Groq. Enter another one: " in shown
    assert "found True False" in shown
    shown, echoes = asked("in the main thread", *[placeholder.encode() + b"\n"] * 3)
    assert shown.count("This key cannot work: it is a placeholder.") == 2
    assert "found False False" in shown
    assert placeholder not in shown
    assert echoes


def test_prompt_that_is_left_without_an_answer():
    """Ctrl-D is no key; a process that ends while it asks gives the terminal its echo back."""
    shown, echoes = asked("in the main thread", b"\x04")
    assert "found False True" in shown
    assert echoes
    shown, echoes = asked("leave")
    assert "found" not in shown
    assert echoes


def test_prompt_that_is_interrupted(monkeypatch):
    """No frame of ours holds what was typed before Ctrl-C: trackers of errors send them."""
    typed = iter([f'"{KEY}"'])

    def typing(_):
        for answer in typed:
            return answer
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "_has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", typing)
    with pytest.raises(KeyboardInterrupt) as caught:
        recovery.prompt().look()
    ours = [one.frame for one in caught.traceback if "recovery" in one.path.parts]
    assert ours
    assert KEY not in repr([frame.f_locals for frame in ours])


def test_prompt_without_a_terminal():
    """A service is not held up: nobody is asked."""
    done = run_to_end(
        [sys.executable, "-c", ASKS, KEY, "in the main thread"],
        stdin=subprocess.DEVNULL,
    )
    assert (done.stdout, done.stderr) == ("found False True\n", "")


def test_prompt_where_stdin_is_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert recovery.prompt().look() is None


def test_prompt_in_the_background(monkeypatch):
    """Reading from the terminal would stop the whole process."""

    class Terminal:
        def isatty(self):
            return True

        def fileno(self):
            return 0

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    assert recovery.prompt().look() is None


@pytest.mark.parametrize("allowed", [True, False])
def test_prompt_in_a_notebook(allowed, monkeypatch):
    """Its kernel asks under the cell, from any thread; one that runs without a reader does not."""

    class Kernel:
        _allow_stdin = allowed

        def getpass(self, text):
            assert text == "Key? "
            return KEY

    monkeypatch.setattr("getpass.getpass", Kernel().getpass)
    with Path(os.devnull).open() as nobody, concurrent.futures.ThreadPoolExecutor() as pool:
        monkeypatch.setattr(sys, "stdin", nobody)
        found = pool.submit(recovery.prompt("Key? ").look).result()
    assert found == (KEY if allowed else None)


# ── environment ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([f"TOGETHER_API_KEY={KEY}"], KEY),
        ([f"export TOGETHER_API_KEY='{KEY}'  # the new one"], KEY),
        ([f'  TOGETHER_API_KEY = "{KEY}"  '], KEY),
        (["# TOGETHER_API_KEY=old", "OTHER=1", "", "TOGETHER_API_KEY=old", f"TOGETHER_API_KEY={KEY}"], KEY),
        (["TOGETHER_API_KEY="], ""),
        (["TOGETHER_API_KEY='no end"], None),
        (["TOGETHER_API_KEY_2=other"], None),
    ],
    ids=["plain", "export", "spaces", "the last", "empty", "unclosed", "another"],
)  # fmt: skip
def test_environment_with_a_dotenv(lines, found, tmp_path, monkeypatch):
    """The variable first, then what the file gives it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.setenv("TOGETHER_API_KEY", "from the environment")
    answers = ["from the environment"] + ([] if found is None else [found])
    assert recovery.environment().look() == answers
    assert recovery.environment(dotenv=None).look() == answers[:1]


def test_environment_with_a_large_dotenv(tmp_path):
    """As large as one that the check reads: it may hold certificates, too."""
    file = tmp_path / ".env"
    file.write_text("CERTIFICATE=" + "x" * 20_000 + f"\nTOGETHER_API_KEY={KEY}\n")
    assert recovery.environment(dotenv=file).look()[-1] == KEY


def test_environment_without_a_dotenv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANOTHER", KEY)
    assert recovery.environment().look() == [""]
    assert recovery.environment("ANOTHER").look() == [KEY]
    assert recovery.environment(dotenv=tmp_path / "absent").look() == [""]


def test_environment_with_a_dotenv_that_cannot_be_read(tmp_path, monkeypatch):
    """A folder, or text of Windows' PowerShell: it hides no variable, and its error is reported."""
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"TOGETHER_API_KEY={KEY}", "utf-16")
    for file, error in ((".env", UnicodeDecodeError), (tmp_path, OSError)):
        keys = keys_in(recovery.environment(dotenv=file).look())
        assert next(keys) == KEY
        with pytest.raises(error):
            next(keys)


# ── file ─────────────────────────────────────────────────────────────────────────────


def test_file(tmp_path):
    """Without white space round it, and without a byte-order mark."""
    secret = tmp_path / "together"
    secret.write_text(f"\ufeff {KEY}\n")
    assert recovery.file(str(secret)).look() == KEY


def fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda _: None, FileNotFoundError),
        (Path.mkdir, IsADirectoryError),
        (fifo, ValueError),
        (lambda path: path.write_bytes(b"x" * 16_385), ValueError),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), UnicodeDecodeError),
    ],
    ids=["absent", "folder", "pipe", "too large", "no text"],
)
def test_what_is_no_file_with_a_key(make, error, tmp_path):
    """None of them holds the process up."""
    make(tmp_path / "together")
    with pytest.raises(error):
        read_text(tmp_path / "together")


# ── command ──────────────────────────────────────────────────────────────────────────


def python(program, **options):
    return recovery.command([sys.executable, "-c", program], **options)


def test_command(capfd):
    """Its output is the key; what it writes to stderr is shown nowhere, and it cannot ask."""
    source = python(
        "import sys; sys.stderr.write('a secret'); assert not sys.stdin.read();"
        f"print('{KEY}', flush=True)"
    )
    assert list(keys_in(source.look())) == [KEY]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (f"print('{KEY}'); raise SystemExit(3)", subprocess.CalledProcessError),
        ("print('x' * 100_000)", ValueError),
        ("import sys; sys.stdout.buffer.write(bytes([255]))", UnicodeDecodeError),
    ],
    ids=["exit code", "too much", "no text"],
)
def test_command_that_fails(program, error):
    with pytest.raises(error) as caught:
        python(program).look()
    assert KEY not in str(caught.value)


def test_command_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        recovery.command(["/nowhere/at/all"]).look()


def test_command_that_takes_too_long(tmp_path, monkeypatch):
    """It is killed with what it has started, which would hold its output open."""
    pid = tmp_path / "pid"

    class Timer(threading.Timer):
        """The limit is over once the other is there, however slow this machine is."""

        def run(self):
            eventually(lambda: pid.exists() and pid.read_text())
            self.function(*self.args)

    monkeypatch.setattr(threading, "Timer", Timer)
    source = python(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    with pytest.raises(subprocess.CalledProcessError):
        source.look()
    eventually(lambda: not is_running(int(pid.read_text())))
    with pytest.raises((concurrent.futures.TimeoutError, subprocess.CalledProcessError)):
        answer_of(python("import time; time.sleep(60)", limit=0.01), None)


def is_running(pid):
    """Tell whether a process is there, and not a mere entry that nobody has asked for."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_command_takes_words():
    """There is no shell that would take a text apart; the text may hold a key."""
    with pytest.raises(TypeError, match="a list of words") as caught:
        recovery.command(f"echo {KEY}")
    assert KEY not in str(caught.value)


# ── chains ───────────────────────────────────────────────────────────────────────────


def test_what_is_a_source():
    """A source, a function, several of these; nothing else, and what else it was is not said."""
    one, look = recovery.prompt(), lambda: KEY
    assert as_sources(one) == (one,)
    assert [source.look for source in as_sources([one, [look]])] == [one.look, look]
    for wrong in (KEY, KEY.encode(), 1, [one, KEY]):
        with pytest.raises(TypeError) as caught:
            as_sources(wrong)
        assert KEY not in str(caught.value)


def test_the_setting(caplog):
    """Kinds with what they need, in turn; a warning that does not repeat what is wrong."""

    def read(text):
        return Settings.from_environment({"TOGETHER_OTEL_RECOVERY": text}).recovery

    parts = read(" file:/run/secrets/a:b ;environment;command:vault read 'a b'; prompt")
    assert parts == (
        ("file", "/run/secrets/a:b"),
        ("environment", ""),
        ("command", "vault read 'a b'"),
        ("prompt", ""),
    )
    assert read("file:/home/o'brien/key") == (("file", "/home/o'brien/key"),)
    kinds = [source.kind for source in from_setting(parts)]
    assert kinds == ["file", "environment", "command", "prompt"]
    assert not caplog.records
    for wrong in (KEY, "file:", "file", "prompt:x", "command:'", "environment;", f"file:{KEY};x"):
        assert read(wrong) == ()
    assert len(caplog.records) == 7
    assert "expected file:PATH, command:WORDS, environment or prompt" in caplog.text
    assert KEY not in caplog.text


def test_what_a_source_gives():
    """Text, stripped, without what is empty."""
    assert [*keys_in(None), *keys_in(""), *keys_in([None, " "])] == []
    assert list(keys_in((f" {KEY}\n", None, "other"))) == [KEY, "other"]
    with pytest.raises(TypeError):
        list(keys_in({KEY}))
    with pytest.raises(ValueError, match="too long"):
        list(keys_in("x" * 16_385))


def test_a_source_rests_longer_each_time():
    """One second, two, four, at most a minute; over as soon as there was a key."""
    now = 0.0
    source = dataclasses.replace(recovery.function(lambda: None), clock=lambda: now)
    assert not source.rests
    for length in (1, 2, 4, 8, 16, 32, 60, 60):
        source.answered(found=False)
        now += length - 0.1
        assert source.rests
        now += 0.1
        assert not source.rests
    source.answered(found=False)
    source.answered(found=True)
    assert not source.rests
