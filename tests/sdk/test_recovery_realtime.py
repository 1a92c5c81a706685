"""A handshake that is refused is made again with another key, those of reconnects included."""

import pytest
import sessions
from generation import RELEASE, made_up_key
from recovering import BAD, OLD, Answers, keys_sent
from reported import outcomes
from sessions import AS_THE_SDK_CONNECTS, MODEL, NO_REALTIME, RECONNECTED, calls, failure, names
from steps import got, tell, within

pytest.importorskip("together.lib.realtime", reason=NO_REALTIME)
pytestmark = AS_THE_SDK_CONNECTS

# Fixtures, which pytest looks for in the module.
realtime, transcribe = sessions.realtime, sessions.transcribe


def manager(sdk, realtime, **options):
    """Return a manager of connections, with a key that is refused."""
    client = sdk.client(api_key=OLD, base_url=realtime.base_url_for(RELEASE))
    return client.beta.realtime.connect(model=MODEL, **options)


def entered(sdk, made):
    """Open a connection and leave it, in the way of a context manager."""

    async def opened():
        async with within(made) as connection:
            assert (await got(connection.recv())).type == "session.created"

    tell(sdk, opened)


def test_a_connection(lab, realtime):
    """By either style; the client uses the new key from then on, and is told as for a request."""
    source = Answers(lab.key)
    lab.instrument(source)
    made = manager(lab.sdk, realtime)
    entered(lab.sdk, made)
    connection = lab.run(made.connect)
    lab.run(connection.close)
    made._connection = None

    assert keys_sent(realtime) == [OLD, lab.key, lab.key]
    assert source.calls == 1
    assert outcomes(lab.telemetry) == ["auth_failure", "success", "success"]
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.searches() == {"recovered": 1}
    assert lab.events() == ["auth_recovered", "key_recovered", "auth_failed"]
    first, second, _ = [one for one in lab.telemetry.finished_spans() if one.kind.name == "CLIENT"]
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert lab.leaks(lab.key, OLD) == []


def test_a_connection_in_vain(lab, realtime):
    """The first refusal is the caller's; the client keeps its key."""
    lab.instrument(Answers(BAD))
    with pytest.raises(Exception, match="HTTP 401") as caught:
        entered(lab.sdk, manager(lab.sdk, realtime))
    assert type(caught.value).__name__ == "InvalidStatus"
    assert keys_sent(realtime) == [OLD, BAD]
    assert outcomes(lab.telemetry) == ["auth_failure"] * 2
    assert lab.searches() == {"refused_again": 1}


def test_a_header_of_ones_own(lab, realtime):
    """Another key does not help against that, and is not asked for."""
    source = Answers(lab.key)
    lab.instrument(source)
    with pytest.raises(Exception, match="HTTP 401"):
        entered(
            lab.sdk, manager(lab.sdk, realtime, extra_headers={"Authorization": f"Bearer {BAD}"})
        )
    assert (source.calls, keys_sent(realtime)) == (0, [BAD])


def test_a_session(lab, transcribe, realtime):
    """It is one call still, which has succeeded; its refused attempt is told once."""
    lab.instrument(Answers(lab.key))
    session = transcribe(key=OLD)
    lab.run(session.start)
    lab.run(session.close)

    assert keys_sent(realtime) == [OLD, lab.key]
    (call,) = calls(lab.telemetry)
    assert (call["status"], outcomes(lab.telemetry)) == ("UNSET", ["success"])
    assert call["attributes"]["http.request.resend_count"] == 1
    assert "together.auth.cause" not in call["attributes"]
    assert [mark["name"] for mark in call["events"]] == ["together.client.key_recovered"]
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.searches() == {"recovered": 1}
    assert lab.events() == ["auth_recovered", "key_recovered", "auth_failed"]
    said = lab.event("auth_failed")
    assert said["together.auth.cause"] == "rejected"
    assert said["together.recovery.outcome"] == "recovered"
    assert said["http.response.status_code"] == 401
    assert said["gen_ai.operation.name"] == "realtime.transcription"
    assert said["gen_ai.request.model"] == MODEL
    assert said["error.type"] == "websockets.exceptions.InvalidStatus"
    assert lab.leaks(lab.key, OLD) == []


def test_a_session_whose_key_is_revoked(lab, transcribe, realtime):
    """It connects again by itself, with another key, and goes on."""
    new = made_up_key("W")
    realtime._keys.add(new)
    lab.instrument(Answers(new))
    session = transcribe()
    lab.run(session.start)
    realtime.revoke(lab.key)
    realtime.session(1).cut()
    assert names(lab.read(session, chunks=3)) == ["session.started", *RECONNECTED]
    lab.run(session.close)

    assert keys_sent(realtime) == [lab.key, lab.key, new]
    assert outcomes(lab.telemetry) == ["success"]
    assert lab.event("auth_failed")["together.auth.cause"] == "revoked"
    assert lab.searches() == {"recovered": 1}


@pytest.mark.parametrize(("answer", "sent"), [(None, 1), (BAD, 2)], ids=["none", "refused too"])
def test_a_session_in_vain(lab, answer, sent, transcribe, realtime):
    """It fails with the SDK's own error, of the first refusal; each refusal is told once."""
    lab.instrument(Answers(answer))
    with pytest.raises(Exception, match=r"could not open realtime connection.*HTTP 401"):
        lab.run(transcribe(key=OLD).start)
    assert len(keys_sent(realtime)) == sent
    assert outcomes(lab.telemetry) == ["auth_failure"]
    assert calls(lab.telemetry)[0]["attributes"]["together.auth.cause"] == "rejected"
    assert lab.telemetry.counter("together.client.auth.failures") == sent


def test_a_session_that_fails_otherwise_after_all(lab, transcribe, realtime):
    """What was recovered from is forgotten: a later failure is told as what it is."""
    lab.instrument(Answers(lab.key))
    session = transcribe(key=OLD)
    lab.run(session.start)
    realtime.revoke(lab.key)
    realtime.session().cut()
    failure(lab.sdk, session)
    assert outcomes(lab.telemetry) == ["auth_failure"]
    assert calls(lab.telemetry)[0]["attributes"]["together.auth.cause"] == "revoked"
    assert lab.telemetry.counter("together.client.auth.failures") == 2
    assert lab.searches() == {"recovered": 1, "no_new_key": 1}
