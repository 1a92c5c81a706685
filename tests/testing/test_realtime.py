"""The realtime server, asked by websockets' own client."""

import json
import threading

import pytest
from realtime_server import RealtimeServer, completed_event, failed_event

from together_otel.testing import behaviours
from together_otel.testing.answers import REPLY

exceptions = pytest.importorskip("websockets.exceptions", reason="it is websockets' server")

MODEL = "stand-in/model"


@pytest.fixture
def realtime(key):
    with RealtimeServer(keys=[key]) as running:
        yield running


def connect(server, key):
    """Open a websocket as the SDK does."""
    from websockets.sync.client import connect as ws_connect  # noqa: PLC0415 - see importorskip

    url = server.url.replace("http://", "ws://") + f"/v1/realtime?model={MODEL}"
    return ws_connect(url, additional_headers={"Authorization": f"Bearer {key}"})


def event(socket):
    """Return the next event from the server."""
    return json.loads(socket.recv(timeout=10))


# ── life ─────────────────────────────────────────────────────────────────────────────


def test_close_leaves_no_thread_behind(key):
    """Open sessions included, also one that waits for its client's answer to a close."""
    before = set(threading.enumerate())
    server = RealtimeServer(opening=None).start()
    with connect(server, key) as one, connect(server, key) as other:
        server.session(2).close(1011)
        server.close()
        for socket in (one, other):
            with pytest.raises(exceptions.ConnectionClosedError):
                socket.recv(timeout=10)
    # Those of websockets itself, at both ends, may be on their way out.
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before


# ── handshakes ───────────────────────────────────────────────────────────────────────


def test_handshakes_are_its_requests(realtime, key):
    with connect(realtime, key) as socket:
        assert socket.response.headers["x-request-id"] == "req-1"
    (request,) = realtime.wait_for(1)
    assert (request.method, request.key, request.authorized) == ("GET", key, True)
    assert request.path == f"/v1/realtime?model={MODEL}"


def refusal(server, key):
    """Return the answer to a handshake that is refused."""
    with pytest.raises(exceptions.InvalidStatus) as caught, connect(server, key):
        pass
    return caught.value.response


def test_keys(realtime, key):
    """A wrong key is refused as Together refuses it, a revoked one from then on."""
    refused = refusal(realtime, key + "x")
    assert refused.status_code == 401
    assert json.loads(refused.body)["error"]["code"] == "invalid_api_key"
    assert refused.headers["content-type"] == "application/json"
    with connect(realtime, key):
        realtime.revoke(key)
    assert refusal(realtime, key).status_code == 401
    realtime.accept(key)
    with connect(realtime, key):
        pass


def test_scripted_handshakes(realtime, key):
    """What `TogetherServer` can be told to do with a request, this one does with a handshake."""
    realtime.script(behaviours.rate_limited(), behaviours.refuse("html", status=403))
    limited = refusal(realtime, key)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "0.01")
    forbidden = refusal(realtime, key)
    assert (forbidden.status_code, forbidden.headers["content-type"]) == (403, "text/html")
    with connect(realtime, key):
        pass


def test_dropped_handshake(realtime, key):
    realtime.script(behaviours.drop_connection())
    with pytest.raises((OSError, EOFError, exceptions.InvalidHandshake)), connect(realtime, key):
        pass


# ── sessions ─────────────────────────────────────────────────────────────────────────


def test_session(realtime, key):
    """A greeting, an answer to each probe, a transcript for each commit."""
    with connect(realtime, key) as socket:
        session = realtime.session()
        assert session.model == MODEL
        assert event(socket) == {
            "type": "session.created",
            "session": {"id": "session-1", "model": MODEL},
        }
        socket.send('{"type": "echo", "echo_id": 7}')
        assert event(socket) == {"type": "echo.response", "echo_id": 7}
        socket.send('{"type": "input_audio_buffer.commit"}')
        assert event(socket)["transcript"] == REPLY
        assert [one["type"] for one in session.wait_for(2)] == ["echo", "input_audio_buffer.commit"]


def test_scripted_session(key):
    """Events and the close are the script's to send, and in the order of their sending."""
    with RealtimeServer(opening=None) as server, connect(server, key) as socket:
        session = server.session()
        session.send(completed_event("One"))
        session.send(failed_event("Two", code="invalid_api_key"))
        session.send(failed_event("Three", fatal=False))
        session.close(1011, "Four")
        assert event(socket)["transcript"] == "One"
        assert event(socket)["error"]["code"] == "invalid_api_key"
        assert "event_type" in event(socket)
        with pytest.raises(exceptions.ConnectionClosedError) as caught:
            event(socket)
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "Four")


def test_opening(key):
    """What each session begins with may be scripted, for clients that wait for it."""
    with RealtimeServer(opening=lambda session: session.close(4503)) as server:
        for _ in range(2):
            with (
                connect(server, key) as socket,
                pytest.raises(exceptions.ConnectionClosedError, match="4503"),
            ):
                socket.recv(timeout=10)


def test_cut(realtime, key):
    with connect(realtime, key) as socket:
        event(socket)
        realtime.session().cut()
        with pytest.raises(exceptions.ConnectionClosedError) as caught:
            event(socket)
        assert caught.value.rcvd is None
