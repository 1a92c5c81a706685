"""The error report's workaround: get a valid key at run time and try again, without crashing."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from generation import leaks
from recovering import BAD, OLD, Answers, instrument, keys_sent, searches
from terminals import on_a_terminal

from together_otel.clients.in_house import InHouse

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "recover_interactively.py"


@pytest.mark.parametrize("bad", ["", OLD, f"{OLD}\n"], ids=["empty", "refused", "newline"])
def test_the_reports_client(bad, in_house, server, key, telemetry):
    """`TogetherAI(api_key='')`, `client.chat('Hello')`: an answer, and the client is cured."""
    source = Answers(key)
    instrument(telemetry, source)
    client = in_house.TogetherAI(bad)
    assert client.chat("Hello")
    assert client.chat("Hello again")
    assert client.api_key == key
    assert source.calls == 1
    assert searches(telemetry) == {"recovered": 1}
    assert telemetry.counter("together.client.auth.failures") == 1
    assert keys_sent(server)[-2:] == [key, key]
    assert leaks(telemetry.everything(), key) == []


def test_the_reports_constructor(in_house, key, telemetry):
    """Without a key anywhere; by its argument's name or its place, sync or async."""
    instrument(telemetry, Answers(key))
    assert in_house.TogetherAI().chat("Hello")
    assert in_house.TogetherAI(None).chat("Hello")
    assert asyncio.run(in_house.AsyncTogetherAI(api_key=None).chat("Hello"))
    assert telemetry.counter("together.client.auth.failures") == 0
    assert searches(telemetry) == {"recovered": 1}


def test_a_wrapper_that_keeps_its_key_elsewhere(key):
    """A client without an `api_key` gets none: a new attribute would do nothing."""
    client = object()
    assert not InHouse().set_key(client, key)


def example(typed):
    """Run the example by the command in its first line, on a terminal, and type whenever it asks."""
    command = EXAMPLE.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environ = {"PATH": path, "TOGETHER_NO_BANNER": "1", "PYTHONWARNINGS": "ignore"}
    answer = typed.encode() + b"\n"
    return on_a_terminal(command, answer, asks=(b"another one: ",), cwd=ROOT, env=environ)[:2]


def test_the_example(key):
    """A key typed at the prompt is used, is not shown, and the program goes on to its end."""
    status, shown = example(key)
    assert status == 0, shown
    assert "The model says: " in shown
    assert "together.client.auth_failed" in shown
    assert leaks(shown, key) == []


def test_the_example_without_a_good_answer():
    """Nothing typed, or nothing that could be a key: the program says so and does not crash."""
    for typed in ("", BAD[:-1]):
        status, shown = example(typed)
        assert status == 0, shown
        assert "No key was accepted: " in shown
        assert "Traceback" not in shown
