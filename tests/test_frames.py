"""What an ordinary call costs, in figures that are the same on every run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from together_otel import TogetherInstrumentor
from together_otel.auth import history
from together_otel.testing.telemetry import CapturedTelemetry

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import calls
import variants
from workload import Workload

FRAMES_OF_A_CALL = 78


@pytest.fixture
def telemetry():
    with CapturedTelemetry() as captured:
        yield captured


def test_frames_of_a_call(telemetry, monkeypatch):
    """A recorded call that succeeds enters no more of our Python functions than it did."""
    # Else what is noted twice a second counts as well, more on a slow machine.
    monkeypatch.setattr(history, "_FRESH", 600.0)
    instrumentor = TogetherInstrumentor()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    try:
        found = calls.own_frames(Workload().call)
    finally:
        instrumentor.uninstrument()
    assert 0 < found <= FRAMES_OF_A_CALL, f"{found:.1f} frames a call, not {FRAMES_OF_A_CALL}"


def test_the_floor_emits_what_we_emit(telemetry):
    """Overheads are compared with the same span and the same records, by hand."""
    emitted = variants.emitted()
    instrumentor = TogetherInstrumentor()
    with CapturedTelemetry() as ours:
        instrumentor.instrument(
            tracer_provider=ours.tracer_provider, meter_provider=ours.meter_provider
        )
        try:
            with Workload().call(1) as run:
                run()
        finally:
            instrumentor.uninstrument()
    floor = variants.Floor(emitted, telemetry.tracer_provider, telemetry.meter_provider)
    with Workload(floor.put).call(1) as run:
        run()

    assert telemetry.spans() == [one for one in ours.spans() if one["kind"] == "CLIENT"]

    def records(captured):
        return {
            name: [(point["attributes"], point["count"]) for point in points]
            for name, points in captured.metrics().items()
            if "count" in points[0]
        }

    assert records(telemetry) == records(ours)
    assert records(ours)
