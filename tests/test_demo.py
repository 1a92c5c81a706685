"""``together-otel demo``: what it says, and that it notices when something is wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from processes import PATIENCE

from together_otel.cli import main
from together_otel.cli.demo import command as demo
from together_otel.cli.demo.evidence import Evidence
from together_otel.cli.drill.runner import Outcome
from together_otel.cli.drill.scenarios import Scenario, scenario_of
from together_otel.names import AUTH_FAILURES, CAUSES
from together_otel.testing import MadeUpKeys
from together_otel.testing.stack import MissingBinary


@pytest.fixture(autouse=True)
def no_binaries(monkeypatch):
    """Leave out what takes Prometheus."""
    missing = MissingBinary("alertmanager is nowhere: run tools/fetch_prometheus.sh")
    monkeypatch.setattr(demo, "find_binaries", Mock(side_effect=missing))


def test_without_prometheus_it_shows_the_rest_and_says_what_it_leaves_out(capsys):
    """Every cause is still shown and verified."""
    code = main(["demo"])
    printed = capsys.readouterr().out
    assert code == 0, printed
    words = " ".join(printed.split())
    assert "Left out: Prometheus, Alertmanager and the alert." in words
    assert "run tools/fetch_prometheus.sh" in words
    for cause in CAUSES:
        assert f"| {cause} " in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_a_wrong_cause_is_reported_with_what_was_expected(monkeypatch, capsys):
    """A demonstration that cannot fail shows nothing."""

    @contextmanager
    def confused(cause, *arguments):
        with scenario_of("missing" if cause == "empty" else cause, *arguments) as scenario:
            yield scenario

    monkeypatch.setattr(demo, "CAUSES", ("empty", "revoked"))
    monkeypatch.setattr(demo, "scenario_of", confused)
    assert main(["demo"]) == 1
    words = " ".join(capsys.readouterr().out.split())
    assert "empty: 1 failure of empty, counted as missing 1" in words
    assert "causes on spans: expected ['empty'], found ['missing']" in words
    assert "WRONG revoked" not in words


def test_a_failure_counted_twice_is_a_fault():
    """The counters, the log and the spans must each have as many as the application saw."""
    name = AUTH_FAILURES.prometheus
    samples = {
        name: [({"together_auth_cause": cause}, 2.0 * (cause == "revoked")) for cause in CAUSES]
    }
    outcome = Outcome(failed=1, samples=samples)
    faults = Evidence("revoked", Scenario("revoked"), outcome, []).faults()
    assert "revoked: failures by cause: expected {'revoked': 1}, found {'revoked': 2.0}" in faults


def test_ctrl_c_begins_no_other_drill(monkeypatch):
    """Those that wait for their turn are given up, and those that run are ended."""
    begun, given_up = [], threading.Event()
    shut_down = ThreadPoolExecutor.shutdown

    def drill(*arguments):
        begun.append(arguments)
        given_up.wait(PATIENCE)

    def shutdown(pool, **how):
        shut_down(pool, **how | {"wait": False})
        given_up.set()
        shut_down(pool)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", shutdown)

    monkeypatch.setattr(demo, "find_binaries", object)
    monkeypatch.setattr(demo, "CAUSES", ["revoked"] + ["missing"] * 1_000)
    monkeypatch.setattr(demo.Demonstration, "_drill", drill)
    monkeypatch.setattr(demo.Demonstration, "_page", Mock(side_effect=KeyboardInterrupt))
    assert main(["demo"]) == 130
    assert len(begun) <= demo._AT_ONCE + 1


def test_a_python_that_is_not_there(capsys):
    """It is said before anything is run."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--clients", "/nowhere/python"])
    assert ended.value.code == 64
    said = capsys.readouterr()
    assert "--clients /nowhere/python is not a program" in said.err
    assert not said.out


@pytest.mark.parametrize("place", [0, 20, 35])
def test_eight_characters_of_a_key_are_noticed(place):
    keys = MadeUpKeys()
    secret = keys.together().removeprefix("tgp_v1_")
    texts = {
        "clean": "nothing, tgp_v1_ included",
        "seven": f"<{secret[place : place + 7]}>",
        "eight": f"<{secret[place : place + 8]}>",
    }
    assert keys.shown_in(texts) == ["eight"]
