"""A transcription session is one call, whatever it does by itself to go on."""

import asyncio
import gc
import importlib

import pytest
import sessions
from dirty_equals import IsInt
from generation import RELEASE, leaks, made_up_key
from opentelemetry import trace
from realtime_server import RealtimeServer, failed_event
from reported import outcomes
from sessions import MODEL, NO_REALTIME, calls, failure, leave, names, only_call

from together_otel.testing import behaviours
from together_otel.testing.ports import free_port

pytest.importorskip("together.lib.realtime", reason=NO_REALTIME)

# Fixtures, which pytest looks for in the module.
realtime, transcribe = sessions.realtime, sessions.transcribe

OTHER = made_up_key("Z")


# ── the start ────────────────────────────────────────────────────────────────────────


def test_started_and_closed(sdk, transcribe, telemetry):
    """A child of the span it was started in, though the sync one works in another thread."""
    session = transcribe()
    with telemetry.tracer_provider.get_tracer("the caller's").start_as_current_span("work") as work:
        sdk.run(session.start)
    assert names(sdk.read(session, chunks=1)) == ["session.started"]
    assert calls(telemetry) == []
    sdk.run(session.close)
    sdk.run(session.close)

    assert only_call(telemetry, "success") == {
        "gen_ai.operation.name": "realtime.transcription",
        "gen_ai.provider.name": "together",
        "together.client.library": "together",
        "gen_ai.request.model": MODEL,
        "server.address": "127.0.0.1",
        "server.port": IsInt,
        "together.request.outcome": "success",
        "together.request.id": "req-1",
        "http.response.status_code": 101,
    }
    (span,) = [one for one in telemetry.finished_spans() if one.kind is trace.SpanKind.CLIENT]
    assert span.parent is not None
    assert span.parent.span_id == work.get_span_context().span_id


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (behaviours.refuse(), "auth_failure"),
        (behaviours.forbidden_context(), "client_error"),
        (behaviours.rate_limited(), "rate_limited"),
        (behaviours.server_error(), "server_error"),
        (behaviours.custom(304, ""), "connection_error"),
        (behaviours.drop_connection(), "connection_error"),
    ],
    ids=["401", "403", "429", "500", "304", "dropped"],
)
def test_refused(behaviour, outcome, sdk, transcribe, realtime, telemetry):
    """The SDK raises an error of its own from the handshake's."""
    realtime.script(behaviour)
    with pytest.raises(Exception, match="could not open") as caught:
        sdk.run(transcribe().start)

    attributes = only_call(telemetry, outcome)
    assert attributes["error.type"] == "together.lib.realtime.RealtimeConnectionError"
    cause = "rejected" if outcome == "auth_failure" else None
    assert attributes.get("together.auth.cause") == cause
    assert type(caught.value.__cause__).__module__ in ("websockets.exceptions", "builtins")


def test_malformed_key(sdk, transcribe, telemetry):
    """It is in no signal, though from 17 on websockets has it in the text of its error."""
    with pytest.raises(Exception, match="could not open"):
        sdk.run(transcribe(key=OTHER[:20] + "\n" + OTHER[20:]).start)

    assert only_call(telemetry, "auth_failure")["together.auth.cause"] == "malformed"
    assert leaks(telemetry.everything(), OTHER) == []


def test_overridden(sdk, transcribe, telemetry):
    with pytest.raises(Exception, match="could not open"):
        sdk.run(transcribe(extra_headers={"Authorization": f"Bearer {OTHER}"}).start)

    assert only_call(telemetry, "auth_failure")["together.auth.cause"] == "overridden"


def test_failure_beside_another(sdk, transcribe, telemetry):
    """A second endpoint that is down is not blamed for the first, which refused the key."""
    second = transcribe(url=f"http://127.0.0.1:{free_port()}")

    def fail_over():
        try:
            sdk.run(transcribe(key=OTHER).start)
        except Exception:  # noqa: BLE001 - the SDK's, which is not imported here
            sdk.run(second.start)

    with pytest.raises(Exception, match="could not open"):
        fail_over()

    assert outcomes(telemetry) == ["auth_failure", "connection_error"]
    assert telemetry.counter("together.client.auth.failures") == 1


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (lambda session: session.close(1000), "connection_error"),
        (lambda session: session.close(1011), "server_error"),
        (lambda session: session.close(4503), "server_error"),
        (lambda session: session.cut(), "connection_error"),
        (lambda session: session.send({"type": "anything"}), "connection_error"),
    ],
    ids=["1000", "1011", "no worker", "cut", "another event"],
)
def test_no_greeting(end, outcome, sdk, key, telemetry):
    """A session begins with `session.created`, or it has failed."""
    with RealtimeServer(opening=end) as server:
        client = sdk.client(api_key=key, base_url=server.base_url_for(RELEASE))
        session = client.beta.realtime.transcription(model=MODEL)
        with pytest.raises(Exception, match=r"session\.created|no healthy workers"):
            sdk.run(session.start)

    assert only_call(telemetry, outcome)["http.response.status_code"] == 101


def test_greeting_never_comes(sdk, transcribe, telemetry, monkeypatch):
    """The SDK waits for ten seconds; here its patience ends at once."""

    def end(_):
        raise asyncio.TimeoutError

    monkeypatch.setattr("together.lib.realtime._connection.parse_server_event", end)
    with pytest.raises(Exception, match="timed out waiting for"):
        sdk.run(transcribe().start)

    only_call(telemetry, "timeout")


async def test_cancelled(key, realtime, telemetry):
    """While the first handshake waits for its answer."""
    import together  # noqa: PLC0415 - after the instrumentation

    realtime.script(behaviours.slow(60))
    url = realtime.base_url_for(RELEASE)
    async with together.AsyncTogether(api_key=key, base_url=url) as client:
        session = client.beta.realtime.transcription(model=MODEL)
        task = asyncio.create_task(session.start())
        await asyncio.to_thread(realtime.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    only_call(telemetry, "cancelled")


async def test_started_twice(key, realtime, telemetry):
    """The SDK lets a session that is open be, as when `async with` follows `start()`."""
    import together  # noqa: PLC0415 - after the instrumentation

    url = realtime.base_url_for(RELEASE)
    async with together.AsyncTogether(api_key=key, base_url=url) as client:
        session = client.beta.realtime.transcription(model=MODEL)
        await session.start()
        await session.start()
        await session.close()
        del session
        gc.collect()

    assert len(realtime.requests) == 1
    only_call(telemetry, "success")


# ── the end ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("raises", [False, True])
def test_left_with(raises, sdk, transcribe, telemetry, monkeypatch):
    """Leaving `with` is closing: an exception of the caller's is no failure of the session's."""
    session = transcribe()
    # The SDK waits for two quiet seconds.
    monkeypatch.setitem(type(session).flush.__kwdefaults__, "quiescence", 0.01)
    leave(sdk, session, raises=raises)
    only_call(telemetry, "success")


@pytest.mark.parametrize(
    ("event", "error", "outcome"),
    [
        (failed_event("Revoked", code="invalid_api_key"), "SessionError", "auth_failure"),
        (failed_event("No such model", code="model_not_available"), "SessionError", "client_error"),
        (failed_event("Silence", code="idle_timeout"), "IdleTimeoutError", "timeout"),
    ],
    ids=["key", "model", "silence"],
)
def test_fatal_event(event, error, outcome, sdk, transcribe, realtime, telemetry):
    """An error of the server's by which the session fails at once."""
    session = transcribe()
    sdk.run(session.start)
    realtime.session().send(event)
    failure(sdk, session)

    attributes = only_call(telemetry, outcome)
    assert attributes["error.type"] == f"together.lib.realtime.Realtime{error}"
    # The handshake was accepted: the key was good a moment ago.
    cause = "revoked" if outcome == "auth_failure" else None
    assert attributes.get("together.auth.cause") == cause
    sdk.run(session.close)
    only_call(telemetry, outcome)


def test_no_worker(sdk, transcribe, realtime, telemetry):
    """The close by which a server sends its clients elsewhere: no reconnect follows."""
    if not hasattr(
        importlib.import_module("websockets.asyncio.connection").Connection, "close_code"
    ):
        pytest.skip("the SDK learns of the code from websockets 13.1 on")
    session = transcribe()
    sdk.run(session.start)
    realtime.session().close(4503)
    failure(sdk, session)

    assert "http.request.resend_count" not in only_call(telemetry, "server_error")


def test_going_on(sdk, transcribe, realtime, telemetry):
    """An error about one utterance, and audio that the buffer refuses, end nothing."""
    session = transcribe(buffer={"max_seconds": 0.001, "overflow": "error"})
    sdk.run(session.start)
    realtime.session().send(failed_event("One utterance", fatal=False))
    assert names(sdk.read(session, chunks=2)) == ["session.started", "transcript.failed"]
    with pytest.raises(Exception, match="overflow policy"):
        sdk.run(lambda: session.append(bytes(3200)))
    assert calls(telemetry) == []

    sdk.run(session.close)
    only_call(telemetry, "success")
