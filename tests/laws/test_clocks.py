"""Tests of an application replace its clocks, perhaps by some that count, run out or raise."""

import sys
import time

import pytest
from application import OURS, SCENARIOS, Telemetry, observe


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_clocks_of_the_application_are_not_read(scenario, monkeypatch):
    """They are read by others only."""
    telemetry, reads = Telemetry(), []

    def watched(name):
        original = getattr(time, name)

        def clock():
            reads.append(sys._getframe(1).f_code.co_filename)
            return original()

        return clock

    telemetry.instrument()
    for name in ("monotonic", "perf_counter", "time", "time_ns"):
        monkeypatch.setattr(time, name, watched(name))
    observe(scenario)
    assert reads
    assert [one for one in reads if one.startswith(OURS)] == []
