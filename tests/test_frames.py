"""What an ordinary call costs, in figures that are the same on every run."""

import sys
from pathlib import Path

import pytest

from together_otel import TogetherInstrumentor
from together_otel.testing.telemetry import CapturedTelemetry

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import calls
import variants
from worker import Worker
from workload import Workload

FRAMES_OF_A_CALL = 59


@pytest.fixture
def telemetry():
    with CapturedTelemetry() as captured:
        yield captured


def test_frames_of_a_call():
    """A recorded call that succeeds enters no more of our Python functions than it did."""
    # In a process of its own, as keys that other tests replaced are looked up in each call.
    worker = Worker("otel")
    try:
        worker.ready()
        # The least of five: what happens once a while falls into one that a busy machine drags out.
        counts = [min(worker.frames("call", times).own for _ in range(5)) for times in calls.CALLS]
    finally:
        worker.close()
    found = calls.per_piece(counts, calls.CALLS)
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
