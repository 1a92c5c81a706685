"""Handshakes of realtime sessions: one that is refused is diagnosed as any other refusal."""

import asyncio
import importlib
import socket
import ssl
from dataclasses import replace

import pytest
import sessions
from dirty_equals import IsInt
from generation import RELEASE, leaks, made_up_key
from reported import outcomes
from sessions import AS_THE_SDK_CONNECTS, MODEL, NO_REALTIME, calls, only_call
from steps import tell, within

from together_otel.testing import behaviours
from together_otel.testing.exchange import Plan
from together_otel.testing.ports import free_port

pytest.importorskip("together.lib.realtime", reason=NO_REALTIME)
pytestmark = AS_THE_SDK_CONNECTS

# Fixtures, which pytest looks for in the module.
realtime = sessions.realtime

OTHER = made_up_key("Z")


def connect(sdk, key, url, **options):
    """Open a session and leave it, in the way that the SDK's manager does."""
    client = sdk.client(api_key=key, base_url=url)
    manager = client.beta.realtime.connect(model=MODEL, **options)

    async def opened():
        async with within(manager):
            pass

    tell(sdk, opened)


def challenge_twice(exchange):
    """Refuse the key with two lines of one header."""
    challenges = ("WWW-Authenticate", "Bearer"), ("WWW-Authenticate", "Negotiate")
    return Plan(replace(behaviours.refusal(exchange.request), headers=challenges))


def test_accepted(sdk, key, realtime, telemetry):
    connect(sdk, key, realtime.base_url_for(RELEASE))

    (span,) = calls(telemetry)
    assert span == {
        "name": f"realtime.connect {MODEL}",
        "kind": "CLIENT",
        "status": "UNSET",
        "description": None,
        "events": [],
        "attributes": {
            "gen_ai.operation.name": "realtime.connect",
            "gen_ai.provider.name": "together",
            "together.client.library": "together",
            "gen_ai.request.model": MODEL,
            "server.address": "127.0.0.1",
            "server.port": IsInt,
            "together.request.outcome": "success",
            "together.request.id": "req-1",
            "http.response.status_code": 101,
        },
    }
    only_call(telemetry, "success")
    assert telemetry.counter("together.client.key.last_accepted.timestamp") > 0


@pytest.mark.parametrize(
    ("behaviour", "outcome", "status"),
    [
        (behaviours.forbidden_context(), "client_error", 403),
        (behaviours.rate_limited(), "rate_limited", 429),
        (behaviours.server_error(), "server_error", 500),
        (behaviours.custom(304, ""), "connection_error", 304),
    ],
)
def test_refused_for_another_reason(behaviour, outcome, status, sdk, key, realtime, telemetry):
    """Than the key; an answer that is no refusal, and no websocket, is a wrong server's."""
    realtime.script(behaviour)
    with pytest.raises(Exception, match=f"HTTP {status}") as caught:
        connect(sdk, key, realtime.base_url_for(RELEASE))

    attributes = only_call(telemetry, outcome)
    assert attributes["http.response.status_code"] == status
    assert attributes["together.request.id"] == "req-1"
    assert attributes["error.type"] == "websockets.exceptions.InvalidStatus"
    (event,) = [log for log in telemetry.logs() if log["severity"] == "WARN"]
    assert event["event_name"] == "gen_ai.client.inference.exception"
    assert (type(caught.value).__name__, caught.value.__cause__) == ("InvalidStatus", None)


@pytest.mark.parametrize(
    ("behaviour", "cause", "status"),
    [
        (behaviours.usual(), "rejected", 401),
        (behaviours.echo_key(), "rejected", 401),
        (behaviours.forbidden_key(), "rejected", 403),
        (behaviours.refuse("html"), "wrong_endpoint", 401),
        (challenge_twice, "rejected", 401),
    ],
)
def test_refused(behaviour, cause, status, sdk, realtime, telemetry):
    """The caller gets the websocket library's own exception, as without instrumentation."""
    realtime.script(behaviour)
    with pytest.raises(Exception, match=f"HTTP {status}") as caught:
        connect(sdk, OTHER, realtime.base_url_for(RELEASE))

    attributes = only_call(telemetry, "auth_failure")
    assert attributes["together.auth.cause"] == cause
    assert attributes["http.response.status_code"] == status
    assert attributes["error.type"] == "websockets.exceptions.InvalidStatus"
    (event,) = [log for log in telemetry.logs() if log["severity"] == "ERROR"]
    assert event["event_name"] == "together.client.auth_failed"
    assert event["attributes"]["together.auth.cause"] == cause
    assert (type(caught.value).__name__, caught.value.__cause__) == ("InvalidStatus", None)
    assert leaks(telemetry.everything(), OTHER) == []


def test_revoked(sdk, key, realtime, telemetry):
    """A key that a session was opened with before, whether that session is over or not."""
    connect(sdk, key, realtime.base_url_for(RELEASE))
    telemetry.clear()
    realtime.revoke(key)
    with pytest.raises(Exception, match="HTTP 401"):
        connect(sdk, key, realtime.base_url_for(RELEASE))

    (span,) = calls(telemetry)
    assert span["attributes"]["together.auth.cause"] == "revoked"
    revoked = {"together.auth.cause": "revoked"}
    assert telemetry.counter("together.client.auth.failures", revoked) == 1


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda _: "", "empty"),
        (lambda _: "  ", "empty"),
        (lambda key: key + "\n", "malformed"),
        (lambda key: key[:20] + "\r\n" + key[20:], "malformed"),
        (lambda key: key[:20] + "\0" + key[20:], "malformed"),
        (lambda key: "\u200b" + key, "malformed"),
        (lambda key: f'"{key}"', "malformed"),
    ],
    ids=["empty", "blank", "newline at its end", "newline", "NUL", "zero width", "quoted"],
)
def test_keys_that_cannot_be_right(spoil, cause, sdk, realtime, telemetry):
    """Sent or not: websockets refuses some of them, before 17 the server hangs up on those."""
    spoilt = spoil(OTHER)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - by key and by websockets' release
        connect(sdk, spoilt, realtime.base_url_for(RELEASE))

    attributes = only_call(telemetry, "auth_failure")
    assert attributes["together.auth.cause"] == cause
    assert attributes["error.type"].rpartition(".")[2] in {
        cls.__name__ for cls in type(caught.value).__mro__
    }
    assert leaks(telemetry.everything(), OTHER) == []


def test_overridden(sdk, key, realtime, telemetry):
    """A header of the session's replaces the client's key, which is not to blame."""
    extra = {"Authorization": f"Bearer {OTHER}"}
    with pytest.raises(Exception, match="HTTP 401"):
        connect(sdk, key, realtime.base_url_for(RELEASE), extra_headers=extra)

    assert only_call(telemetry, "auth_failure")["together.auth.cause"] == "overridden"
    (event,) = [log for log in telemetry.logs() if log["severity"] == "ERROR"]
    assert "extra_headers" in event["attributes"]["together.auth.remedy"]
    assert leaks(telemetry.everything(), OTHER) == []


def test_accepted_by_an_overriding_header(sdk, key, realtime, telemetry):
    """The key that was accepted is the one that was sent."""
    extra = {"Authorization": f"Bearer {key}"}
    connect(sdk, OTHER, realtime.base_url_for(RELEASE), extra_headers=extra)
    with pytest.raises(Exception, match="HTTP 401"):
        connect(sdk, OTHER, realtime.base_url_for(RELEASE))

    rejected = {"together.auth.cause": "rejected"}
    assert telemetry.counter("together.client.auth.failures", rejected) == 1


def test_nobody_listens(sdk, key, telemetry):
    with pytest.raises(ConnectionRefusedError):
        connect(sdk, key, f"http://127.0.0.1:{free_port()}")

    assert only_call(telemetry, "connection_error")["error.type"] == "ConnectionRefusedError"


def test_hung_up(sdk, key, realtime, telemetry):
    realtime.script(behaviours.drop_connection())
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by websockets' release
        connect(sdk, key, realtime.base_url_for(RELEASE))

    only_call(telemetry, "connection_error")


def proxy_refusal():
    """Return what websockets raises when a proxy wants a login, which is nobody's key."""
    exceptions = importlib.import_module("websockets.exceptions")
    if not hasattr(exceptions, "InvalidProxyStatus"):
        pytest.skip("websockets knows proxies from 15.0 on")
    response = importlib.import_module("websockets.http11").Response
    headers = importlib.import_module("websockets.datastructures").Headers
    return exceptions.InvalidProxyStatus(response(401, "Unauthorized", headers()))


def circle():
    """Return an error that was raised from itself."""
    error = ConnectionAbortedError("aborted")
    error.__cause__ = error
    return error


@pytest.mark.parametrize(
    "make",
    [
        lambda: OSError("Multiple exceptions: refused, refused"),
        lambda: socket.gaierror("Name or service not known"),
        lambda: ssl.SSLCertVerificationError("self-signed certificate"),
        proxy_refusal,
        circle,
    ],
    ids=["every address", "name", "certificate", "proxy", "circle"],
)
def test_no_way_to_the_server(make, sdk, key, realtime, monkeypatch, telemetry):
    """It is a connection error by whatever class, and the caller gets the very same object."""
    error = make()

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("together.lib.realtime._connection.build_realtime_url", fail)
    with pytest.raises(type(error)) as caught:
        connect(sdk, key, realtime.base_url_for(RELEASE))

    assert caught.value is error
    only_call(telemetry, "connection_error")


def test_no_answer(sdk, key, realtime, telemetry):
    realtime.script(behaviours.slow(60))
    client = sdk.client(api_key=key, base_url=realtime.base_url_for(RELEASE))
    manager = client.beta.realtime.connect(model=MODEL)
    manager._open_timeout = 0.05
    # Python 3.10 has two of them.
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        sdk.run(manager.connect)

    assert only_call(telemetry, "timeout")["error.type"].endswith("TimeoutError")


async def test_cancelled(key, realtime, telemetry):
    """While the handshake waits for its answer."""
    import together  # noqa: PLC0415 - after the instrumentation

    realtime.script(behaviours.slow(60))
    url = realtime.base_url_for(RELEASE)
    async with together.AsyncTogether(api_key=key, base_url=url) as client:
        task = asyncio.create_task(client.beta.realtime.connect(model=MODEL).connect())
        await asyncio.to_thread(realtime.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert only_call(telemetry, "cancelled")["error.type"] == "asyncio.exceptions.CancelledError"


def test_failure_beside_another(sdk, key, realtime, telemetry):
    """A second endpoint that is down is not blamed for the first, which refused the key."""

    def fail_over():
        try:
            connect(sdk, OTHER, realtime.base_url_for(RELEASE))
        except Exception:  # noqa: BLE001 - of websockets, which is not imported here
            connect(sdk, key, f"http://127.0.0.1:{free_port()}")

    with pytest.raises(ConnectionRefusedError):
        fail_over()

    assert outcomes(telemetry) == ["auth_failure", "connection_error"]
    assert telemetry.counter("together.client.auth.failures") == 1
