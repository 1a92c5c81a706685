"""A realtime session is one call that ends exactly once, however the session ends."""

import asyncio
import contextlib
import gc
import threading

import pytest
import sessions
from generation import RELEASE, leaks
from opentelemetry import trace
from realtime_server import RealtimeServer, failed_event
from reported import outcomes
from sessions import AS_THE_SDK_CONNECTS, MODEL, NO_REALTIME, calls, leave, only_call

pytest.importorskip("together.lib.realtime", reason=NO_REALTIME)
pytestmark = AS_THE_SDK_CONNECTS

# Fixtures, which pytest looks for in the module.
manager = sessions.manager

CLOSED_BY_THE_SERVER = [
    (lambda session: session.close(1000), "success"),
    (lambda session: session.close(1001), "success"),
    (lambda session: session.close(None), "success"),
    (lambda session: session.close(1008), "client_error"),
    (lambda session: session.close(1011), "server_error"),
    (lambda session: session.close(4503), "server_error"),
    (lambda session: session.cut(), "connection_error"),
    # More than websockets takes: it gives the connection up.
    (lambda session: session.send({"type": "x" * 2**20}), "connection_error"),
]
CODES = ["1000", "1001", "none", "1008", "1011", "4503", "cut", "too long"]


@pytest.fixture
def realtime(key):
    """A realtime endpoint that accepts one key and waits for the test to say something."""
    with RealtimeServer(keys=[key], opening=None) as running:
        yield running


@pytest.fixture
def connection(sdk, manager):
    """An open session; each test ends it."""
    return sdk.run(manager.connect)


def wait_until_closed(sdk, connection):
    """Wait until the client's end of a websocket has seen that it is closed."""
    if sdk.is_async:
        sdk.run(connection._ws.wait_closed)
    else:
        connection._ws.recv_events_thread.join(10)


# ── closed by its holder ─────────────────────────────────────────────────────────────


def test_closed(sdk, connection, telemetry):
    """The call lasts until `close()`; what comes after changes nothing."""
    assert calls(telemetry) == []
    sdk.run(connection.close)
    only_call(telemetry, "success")

    sdk.run(connection.close)
    with pytest.raises(Exception, match="1000"):
        sdk.run(connection.recv)
    del connection
    gc.collect()
    only_call(telemetry, "success")


@pytest.mark.parametrize("raises", [False, True])
def test_left_with(raises, sdk, manager, telemetry):
    """Leaving `with` is closing: an exception of the caller's is no failure of the session's."""
    leave(sdk, manager, raises=raises)
    only_call(telemetry, "success")


def test_closed_while_another_reads(sdk, connection, telemetry):
    """Both learn of the end; it is told once."""

    def both():
        reading = threading.Thread(target=list, args=[connection])
        reading.start()
        connection.close()
        reading.join()

    async def both_async():
        async def read():
            return [event async for event in connection]

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        await connection.close()
        assert await reading == []

    sdk.run(both_async if sdk.is_async else both)

    only_call(telemetry, "success")


def test_cancelled(key, realtime, telemetry):
    """A task that is cancelled while it waits for an event leaves its `async with`, and closes."""

    async def main():
        import together  # noqa: PLC0415 - after the instrumentation

        opened = asyncio.Event()

        async def read():
            async with client.beta.realtime.connect(model=MODEL) as connection:
                opened.set()
                await connection.recv()

        async with together.AsyncTogether(
            api_key=key, base_url=realtime.base_url_for(RELEASE)
        ) as client:
            task = asyncio.create_task(read())
            await opened.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())

    only_call(telemetry, "success")


def test_two_of_one_manager(sdk, manager, realtime, telemetry):
    """Each connection is a session with an end of its own, and a child of where it was opened."""
    tracer = telemetry.tracer_provider.get_tracer("the caller's")
    with tracer.start_as_current_span("work") as work:
        first = sdk.run(manager.connect)
        realtime.session(1)
        second = sdk.run(manager.connect)
        assert trace.get_current_span() is work
    realtime.session(2).close(1011)
    with contextlib.suppress(Exception):
        sdk.run(second.recv)
    sdk.run(first.close)

    assert outcomes(telemetry) == ["server_error", "success"]
    sessions = [span for span in telemetry.finished_spans() if span.kind is trace.SpanKind.CLIENT]
    assert {span.parent.span_id for span in sessions if span.parent} == {
        work.get_span_context().span_id
    }


# ── closed by the server ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("end", "outcome"), CLOSED_BY_THE_SERVER, ids=CODES)
def test_told_by_receiving(end, outcome, sdk, connection, realtime, telemetry):
    """The call ends there, before anyone closes; the caller gets the library's exception."""
    end(realtime.session())
    with pytest.raises(Exception, match=r"close frame|received") as caught:
        sdk.run(connection.recv)

    attributes = only_call(telemetry, outcome)
    warnings = [log for log in telemetry.logs() if log["severity"] == "WARN"]
    if outcome == "success":
        assert warnings == []
    else:
        assert attributes["error.type"] == "websockets.exceptions.ConnectionClosedError"
        (warning,) = warnings
        assert warning["event_name"] == "gen_ai.client.inference.exception"
    assert type(caught.value).__module__ == "websockets.exceptions"
    sdk.run(connection.close)
    only_call(telemetry, outcome)


@pytest.mark.parametrize(("end", "outcome"), CLOSED_BY_THE_SERVER, ids=CODES)
def test_told_by_closing(end, outcome, sdk, connection, realtime, telemetry):
    """Of a session that nobody read."""
    end(realtime.session())
    wait_until_closed(sdk, connection)
    sdk.run(connection.close)

    assert only_call(telemetry, outcome).get("error.type", "success") == outcome


def test_iterated_to_the_end(sdk, connection, realtime, telemetry):
    """The SDK's iteration ends without a word however the session ended; the call knows."""
    realtime.session().send({"type": "anything"})
    realtime.session().close(1011)

    assert [event.type for event in sdk.read(connection)] == ["anything"]
    only_call(telemetry, "server_error")
    sdk.run(connection.close)


def test_no_key_in_a_reason(key, sdk, connection, realtime, telemetry):
    """A server that closes may say whatever it likes."""
    realtime.session().close(1008, f"bad key {key}")
    with pytest.raises(Exception, match="bad key"):
        sdk.run(connection.recv)

    only_call(telemetry, "client_error")
    assert leaks(telemetry.everything(), key) == []
    sdk.run(connection.close)


# ── events ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (failed_event("Revoked", code="invalid_api_key"), "auth_failure"),
        (failed_event("No such model", code="model_not_available"), "client_error"),
        (failed_event("Silence", code="idle_timeout", kind="request_timeout"), "timeout"),
        (failed_event("Broken", kind="service_unavailable_error"), "server_error"),
        ({"type": "conversation.item.input_audio_transcription.failed"}, "server_error"),
    ],
    ids=["key", "model", "silence", "server", "bare"],
)
def test_fatal_event(event, outcome, sdk, connection, realtime, telemetry):
    """An error that ends the session ends the call, though the server closes as if all were well."""
    realtime.session().send(event)
    realtime.session().close(1000)
    assert type(sdk.run(connection.recv)).__name__ == "TranscriptionFailedEvent"

    attributes = only_call(telemetry, outcome)
    # The handshake was accepted: the key was good a moment ago.
    cause = "revoked" if outcome == "auth_failure" else None
    assert attributes.get("together.auth.cause") == cause
    sdk.run(connection.close)
    only_call(telemetry, outcome)


def test_going_on(sdk, connection, realtime, telemetry):
    """An error about one utterance, and a wait that is given up, end nothing."""
    realtime.session().send(failed_event("One utterance", code="invalid_api_key", fatal=False))
    sdk.run(connection.recv)

    def wait_in_vain():
        if sdk.is_async:
            return asyncio.wait_for(connection.recv(), timeout=0.01)
        return connection.recv(timeout=0)

    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        sdk.run(wait_in_vain)
    assert calls(telemetry) == []

    sdk.run(connection.close)
    only_call(telemetry, "success")


# ── ended by nobody ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("end", "outcome"),
    [(None, "abandoned"), (lambda session: session.cut(), "connection_error")],
    ids=["open", "cut"],
)
def test_dropped(end, outcome, sdk, manager, realtime, telemetry):
    """The collection of a session that nobody closed ends its call, once."""
    connection = sdk.run(manager.connect)
    websocket = connection._ws
    if end is not None:
        end(realtime.session())
        wait_until_closed(sdk, connection)
    manager._connection = None
    del connection
    gc.collect()

    only_call(telemetry, outcome)
    sdk.run(websocket.close)
    gc.collect()
    only_call(telemetry, outcome)
