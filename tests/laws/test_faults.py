"""What is wrong in an application's telemetry reaches neither its calls nor the other signals."""

import threading
from contextlib import ExitStack
from functools import cache
from unittest.mock import patch

import pytest
from application import FAILING, MODES, SCENARIOS, Telemetry, observe, off, refusal
from faults import FAULTS, ROOT, raises
from prometheus_client import CollectorRegistry
from together._base_client import AsyncAPIClient, SyncAPIClient

EVERY_FAULT = pytest.mark.parametrize("name", FAULTS)
EVERY_MODE = pytest.mark.parametrize("mode", MODES)


def run(fault, scenario, mode):
    """Return what an application sees of a scenario, and how often each signal reports a failure."""
    telemetry = Telemetry()
    ROOT.addHandler(telemetry.handler)  # before any that is broken
    try:
        with ExitStack() as undo:
            if fault.is_given:
                undo.enter_context(fault.active(telemetry))
            telemetry.instrument()
            if not fault.is_given:
                undo.enter_context(fault.active(telemetry))
            seen = observe(scenario, mode)
        return seen, telemetry.failures()
    finally:
        ROOT.removeHandler(telemetry.handler)
        off()


@cache
def runs(name, mode):
    """Return the same of every scenario, once for all tests."""
    return {scenario: run(FAULTS[name], scenario, mode) for scenario in SCENARIOS}


@EVERY_MODE
@EVERY_FAULT
def test_application_is_not_affected(name, mode):
    """Result, exception, what that refers to, and traceback are as without us."""
    found = {}
    for scenario, (seen, _) in runs(name, mode).items():
        with FAULTS[name].active(Telemetry()):
            without = observe(scenario, mode)
        if differences := seen.differences(without):
            found[scenario.__name__] = differences
    assert found == {}


@EVERY_MODE
@EVERY_FAULT
def test_other_signals_report_a_failure_once(name, mode):
    """Signals that a fault leaves alone miss nothing and repeat nothing."""
    left = {"count", "line", "record", "span"} - FAULTS[name].lost
    found = {
        scenario.__name__: {signal: failures[signal] for signal in left}
        for scenario, (_, failures) in runs(name, mode).items()
        if scenario in FAILING
    }
    assert found == {scenario.__name__: dict.fromkeys(left, 1) for scenario in FAILING}


@EVERY_FAULT
def test_instrument_and_uninstrument_do_not_raise(name, monkeypatch):
    """Whatever there is to warn of; and every original is put back."""
    monkeypatch.setenv("TOGETHER_OTEL_LOG_INTERVAL", "often")
    monkeypatch.setenv("TOGETHER_OTEL_PREFLIGHT", "perhaps")
    originals = [vars(kind)["request"] for kind in (SyncAPIClient, AsyncAPIClient)]
    with FAULTS[name].active(telemetry := Telemetry()):
        telemetry.instrument()
        off()
    assert [vars(kind)["request"] for kind in (SyncAPIClient, AsyncAPIClient)] == originals


@pytest.mark.parametrize("name", [name for name in FAULTS if name.endswith("logger raises")])
def test_a_warning_that_cannot_be_logged_costs_no_signal(name, monkeypatch):
    """Settings that are not understood are warned of before anything is set up."""
    monkeypatch.setenv("TOGETHER_OTEL_METRICS", "promtheus")
    monkeypatch.setenv("TOGETHER_OTEL_UNKNOWN", "1")
    with FAULTS[name].active(telemetry := Telemetry()):
        telemetry.instrument(unknown=1)
        observe(refusal)
        failures = telemetry.failures()
    left = {"count", "span"} | ({"record"} - FAULTS[name].lost)
    assert {signal: failures[signal] for signal in left} == dict.fromkeys(left, 1)


def test_metrics_that_cannot_stop_leave_no_endpoint_open():
    """Each part of the metrics stops by itself, though the application's registry raises."""

    def threads():
        return [one.name for one in threading.enumerate() if one.name.endswith("http-endpoint")]

    telemetry = Telemetry()
    telemetry.registry = registry = CollectorRegistry()
    telemetry.instrument(metrics="prometheus", prometheus_port=0)
    before = threads()
    with patch.object(registry, "unregister", raises):
        off()
    assert (len(before), threads()) == (1, [])
