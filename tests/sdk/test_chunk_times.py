"""TOGETHER_OTEL_CHUNK_TIMES: a record for each chunk of a stream after the first."""

import pytest
from capturing import streamed
from generation import GENERATION, MODEL

from together_otel import TogetherInstrumentor
from together_otel.guard import Guard
from together_otel.telemetry.recorder import Recorder
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer
from together_otel.testing.telemetry import CapturedTelemetry

LATEST = "gen_ai.client.inference.time_per_output_chunk"
LEGACY = "gen_ai.client.operation.time_per_output_chunk"


@pytest.fixture
def telemetry(monkeypatch):
    """The instrumentation, with chunk times under both names."""
    monkeypatch.setenv("TOGETHER_OTEL_CHUNK_TIMES", "on")
    captured = CapturedTelemetry()
    TogetherInstrumentor().instrument(
        tracer_provider=captured.tracer_provider,
        meter_provider=captured.meter_provider,
        genai_metrics="both",
    )
    yield captured
    TogetherInstrumentor().uninstrument()
    captured.shutdown()


def test_each_gap(sdk, key, telemetry):
    """As many records as chunks after the first, whose mean is what a stream's mean is."""
    chunks = len(sdk.read(sdk.chat(sdk.client(api_key=key), stream=True)))
    assert chunks > 2

    found = telemetry.metrics()
    (mean,) = found["together.client.stream.mean_time_per_output_chunk"]
    for name in (LATEST, LEGACY):
        (point,) = found[name]
        assert point["count"] == chunks - 1
        assert point["sum"] == pytest.approx(mean["sum"] * (chunks - 1))
        assert point["attributes"] == mean["attributes"]
        assert point["attributes"]["gen_ai.response.model"] == MODEL


@pytest.mark.skipif(GENERATION < 2, reason="1.x follows no redirect of a POST")
def test_a_stream_of_another_server_is_told_as_such(sdk, key, server, telemetry):
    """The labels are those of the request's other metrics."""
    with TogetherServer() as other:
        other.always(streamed({"content": "Hello"}, {"content": "again"}))
        port = int(other.url.rsplit(":", 1)[1].partition("/")[0])
        server.always(behaviours.redirect(other.url))
        sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))
    (point,) = telemetry.metrics()[LATEST]
    assert point["attributes"]["server.port"] == port


def test_one_chunk_has_no_gap(sdk, key, telemetry):
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    sdk.read(stream, 1)
    assert LATEST not in telemetry.metrics()


@pytest.mark.parametrize("raises_at", ["first chunk", "each record"])
def test_errors_are_not_the_streams(raises_at, sdk, key, telemetry, monkeypatch):
    """Whatever goes wrong with a record, all chunks come."""

    def broken(*_):
        raise ValueError("broken")

    monkeypatch.setattr(Guard, "raising", False)
    monkeypatch.setattr(
        Recorder, "chunk_times", broken if raises_at == "first chunk" else lambda *_: broken
    )
    assert len(sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))) > 2
    assert telemetry.value("together.client.telemetry.errors") > 0
