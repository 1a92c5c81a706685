"""A transcription session that connects again by itself is still one call, and counts it."""

import pytest
import sessions
from generation import leaks
from sessions import NO_REALTIME, RECONNECTED, calls, failure, names, only_call

from together_otel.testing import behaviours

pytest.importorskip("together.lib.realtime", reason=NO_REALTIME)

# Fixtures, which pytest looks for in the module.
realtime, transcribe = sessions.realtime, sessions.transcribe


def test_reconnects(sdk, transcribe, realtime, telemetry):
    """Each is a resend of the same call, whatever made it necessary; the last answer counts."""
    session = transcribe()
    sdk.run(session.start)
    realtime.session(1).cut()
    assert names(sdk.read(session, chunks=3)) == ["session.started", *RECONNECTED]
    realtime.session(2).close(1000)
    assert names(sdk.read(session, chunks=2)) == RECONNECTED
    sdk.run(session.close)

    attributes = only_call(telemetry, "success")
    assert attributes["http.request.resend_count"] == 2
    assert attributes["together.request.id"] == "req-3"


def test_reconnects_in_the_end(sdk, transcribe, realtime, telemetry):
    """An attempt that fails is a resend too, and no failure while another follows."""
    session = transcribe()
    sdk.run(session.start)
    realtime.script(behaviours.server_error())
    realtime.session().cut()
    sdk.read(session, chunks=4)
    assert calls(telemetry) == []
    sdk.run(session.close)

    assert only_call(telemetry, "success")["http.request.resend_count"] == 2


def test_reconnects_in_vain(sdk, transcribe, realtime, telemetry):
    session = transcribe()
    sdk.run(session.start)
    realtime.always(behaviours.server_error())
    realtime.session().cut()
    error = failure(sdk, session)

    attributes = only_call(telemetry, "connection_error")
    assert attributes["http.request.resend_count"] == error.attempts == 2  # type: ignore[attr-defined]  # the SDK's
    assert attributes["error.type"] == "together.lib.realtime.RealtimeConnectionError"


def test_revoked(sdk, key, transcribe, realtime, telemetry):
    """In the middle of a session: the refusal of the next handshake tells."""
    session = transcribe()
    sdk.run(session.start)
    realtime.revoke(key)
    realtime.session().cut()
    error = failure(sdk, session)
    assert str(error) == "reconnect rejected with HTTP 401"

    attributes = only_call(telemetry, "auth_failure")
    assert attributes["together.auth.cause"] == "revoked"
    assert attributes["http.response.status_code"] == 401
    assert attributes["http.request.resend_count"] == 1
    assert attributes["together.request.id"] == "req-2"
    assert leaks(telemetry.everything(), key) == []
    sdk.run(session.close)
    only_call(telemetry, "auth_failure")
