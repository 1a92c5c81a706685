"""While one thread waits in its telemetry, no lock of ours keeps another from its calls."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from unittest.mock import Mock

import faults
import pytest
from application import (
    SCENARIOS,
    Telemetry,
    accepted_again,
    broken_stream,
    missing,
    observe,
    refusal,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from prometheus_client import CollectorRegistry

PATIENCE = 120.0
"""Seconds that anything may take that waits for no lock."""


class Gate:
    """Where one thread waits until it is let go, and the others pass.

    Args:
        behaviour: what all do behind it.
    """

    def __init__(self, behaviour):
        self.thread = None
        self.reached, self.open = threading.Event(), threading.Event()
        self._behaviour = behaviour

    def __call__(self, *args, **kwargs):
        if threading.get_ident() == self.thread:
            self.reached.set()
            self.open.wait(3 * PATIENCE)
        return self._behaviour(*args, **kwargs)


HANGING = {
    "handler": (faults.handler(faults.ROOT, "emit"), faults.gives_none),
    "filter": (faults.filter_, faults.always(value=True)),
    "record factory": (faults.record_factory, logging.LogRecord),
    "log record processor": (faults.given("loggers", faults.logger_provider), faults.gives_none),
    "sampler": (
        faults.on("tracers", sampler=lambda b: Mock(should_sample=b)),
        ALWAYS_ON.should_sample,
    ),
    "start of a span": (faults.processor("on_start"), faults.gives_none),
    "end of a span": (faults.processor("on_end"), faults.gives_none),
}


@pytest.mark.parametrize("backend", ["otel", "prometheus"])
@pytest.mark.parametrize("scenario", [refusal, broken_stream, missing, accepted_again])
@pytest.mark.parametrize("name", HANGING)
def test_other_threads_are_not_blocked(name, scenario, backend, monkeypatch):
    """With the same keys, in all they do; and the one that hangs gets what is its own."""
    monkeypatch.setenv("TOGETHER_OTEL_METRICS", backend)
    telemetry, without = Telemetry(), {one: observe(one) for one in SCENARIOS}
    telemetry.registry = CollectorRegistry()
    install, behaviour = HANGING[name]
    gate = Gate(behaviour)

    def hang():
        gate.thread = threading.get_ident()
        return observe(scenario)

    def go_on():
        telemetry.failures()  # collects, as the next line
        list(telemetry.registry.collect())
        return {one: observe(one).differences(without[one]) for one in SCENARIOS}

    with ExitStack() as undo, ThreadPoolExecutor(2) as threads:
        install(telemetry, undo, gate)
        telemetry.instrument()
        one = threads.submit(hang)
        try:
            assert gate.reached.wait(PATIENCE)
            assert threads.submit(go_on).result(PATIENCE) == {one: [] for one in SCENARIOS}
            assert not one.done()
        finally:
            gate.open.set()
        assert one.result(PATIENCE).differences(without[scenario]) == []
