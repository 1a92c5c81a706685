"""Sessions that are open while the instrumentation is turned on or off, or at the very end."""

import gc
import importlib
import json
import os
import sys
from pathlib import Path

import pytest
import sessions
from generation import RELEASE
from opentelemetry.instrumentation.utils import suppress_instrumentation
from processes import run_to_end
from realtime_server import RealtimeServer
from reported import outcomes
from sessions import AS_THE_SDK_CONNECTS, MODEL, NO_REALTIME, RECONNECTED, calls, names

from together_otel import TogetherInstrumentor
from together_otel.calls.targets import TARGETS

pytest.importorskip("together.lib.realtime", reason=NO_REALTIME)
pytestmark = AS_THE_SDK_CONNECTS

# Fixtures, which pytest looks for in the module.
manager, realtime, transcribe = sessions.manager, sessions.realtime, sessions.transcribe

ROOT = Path(__file__).parents[2]
LEFT_OPEN = Path(__file__).parent / "programs" / "session_left_open.py"


def test_originals_are_back():
    """After `uninstrument()`, in every realtime method that was patched."""
    places = []
    for target in TARGETS:
        if "realtime" in target.module:
            class_name, _, name = target.attribute.partition(".")
            places.append((getattr(importlib.import_module(target.module), class_name), name))
    originals = [vars(owner)[name] for owner, name in places]

    TogetherInstrumentor().instrument()
    patched = [vars(owner)[name] for owner, name in places]
    TogetherInstrumentor().uninstrument()

    assert all(patch is not original for patch, original in zip(patched, originals, strict=True))
    assert [vars(owner)[name] for owner, name in places] == originals


def test_connection_suppressed(sdk, key, manager, realtime, telemetry):
    """OpenTelemetry's switch turns sessions off like any call, refused ones included."""
    with suppress_instrumentation():
        connection = sdk.run(manager.connect)
        realtime.revoke(key)
        with pytest.raises(Exception, match="HTTP 401"):
            sdk.run(manager.connect)
    sdk.run(connection.close)

    assert calls(telemetry) == []
    assert telemetry.counter("together.client.requests") == 0
    assert telemetry.counter("together.client.auth.failures") == 0


def test_transcription_suppressed(sdk, transcribe, realtime, telemetry):
    """What was started unseen reconnects unseen."""
    session = transcribe()
    with suppress_instrumentation():
        sdk.run(session.start)
    realtime.session().cut()
    assert names(sdk.read(session, chunks=3)) == ["session.started", *RECONNECTED]
    sdk.run(session.close)

    assert calls(telemetry) == []
    assert telemetry.counter("together.client.requests") == 0


def test_connection_open_during_uninstrument(sdk, manager, telemetry):
    """A session from before works on, and its span ends with it."""
    connection = sdk.run(manager.connect)
    TogetherInstrumentor().uninstrument()
    assert sdk.run(connection.recv).type == "session.created"
    sdk.run(connection.close)
    manager._connection = None
    del connection
    gc.collect()

    assert outcomes(telemetry) == ["abandoned"]


def test_transcription_open_during_uninstrument(sdk, key, realtime, telemetry):
    """A session from before works on, reconnects included, and its span ends with it."""
    client = sdk.client(api_key=key, base_url=realtime.base_url_for(RELEASE))
    session = client.beta.realtime.transcription(model=MODEL, reconnect={"backoff_initial": 0.0})
    sdk.run(session.start)
    TogetherInstrumentor().uninstrument()
    realtime.session().cut()
    assert names(sdk.read(session, chunks=3)) == ["session.started", *RECONNECTED]
    sdk.run(session.close)
    del session
    gc.collect()

    assert outcomes(telemetry) == ["abandoned"]


def test_open_before_instrument(sdk, manager, realtime, telemetry):
    """A session that nobody saw begin is nobody's call."""
    TogetherInstrumentor().uninstrument()
    connection = sdk.run(manager.connect)
    TogetherInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    realtime.session().close(1011)
    assert names(sdk.read(connection)) == ["session.created"]
    sdk.run(connection.close)

    assert calls(telemetry) == []
    assert telemetry.counter("together.client.requests") == 0


@pytest.mark.parametrize(
    ("kind", "way", "outcome"),
    [
        ("connect", "sync", "abandoned"),
        ("connect", "async", "abandoned"),
        # Its SDK closes it at exit.
        ("transcription", "sync", "success"),
        ("transcription", "async", "abandoned"),
    ],
)
def test_open_at_exit(kind, way, outcome, key):
    """The interpreter's end is the session's, and is told once."""
    with RealtimeServer(keys=[key]) as server:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TOGETHER_API_KEY": key,
            "TOGETHER_BASE_URL": server.base_url_for(RELEASE),
        }
        ended = run_to_end([sys.executable, str(LEFT_OPEN), kind, way], env=environment)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == {
        "ended": [[f"realtime.{kind} a/model", outcome]],
        "counted": 1,
    }
