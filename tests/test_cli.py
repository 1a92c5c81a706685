"""The command line: what it says, and its exit codes."""

from __future__ import annotations

import json

import pytest

from together_otel.cli import main

KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"


def test_a_good_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "The key can work." in out
    assert KEY[7:15] not in out


def test_a_key_that_cannot_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the cause and the remedy; the same as JSON."""
    monkeypatch.setenv("TOGETHER_API_KEY", KEY + "\n")
    assert main(["check"]) == 1
    assert "malformed: TOGETHER_API_KEY" in capsys.readouterr().out
    assert main(["check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["can_work"], found["cause"]) == (False, "malformed")
    assert KEY[7:15] not in json.dumps(found)


def test_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 1
    assert "missing: " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["chek"], ["check", "--jsn"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 64, what was expected, no traceback."""
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 64
    assert "usage: together-otel" in capsys.readouterr().err


def test_a_key_in_the_wrong_place_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    """As an argument, where only its variable's value belongs."""
    with pytest.raises(SystemExit):
        main(["check", KEY])
    said = capsys.readouterr().err
    assert "unrecognized arguments" in said
    assert KEY[7:15] not in said
