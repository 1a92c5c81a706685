"""After a refusal: another key, the request once more, and nothing that crashes."""

from contextlib import nullcontext

import pytest
from dirty_equals import IsStr
from generation import GENERATION, MESSAGES, MODEL, RELEASE, made_up_key
from recovering import BAD, OLD, Answers

from together_otel import recovery
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer


def test_a_refused_request_is_made_again_with_another_key(lab):
    """The application gets its answer; the refusal keeps its span, and is told once."""
    source = Answers(f" {lab.key}\n")
    lab.instrument(source)

    answer = lab.chat(lab.client(api_key=OLD))

    assert answer.choices[0].message.content
    assert lab.keys_sent() == [OLD, lab.key]
    assert source.calls == 1
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.searches() == {"recovered": 1}
    assert lab.outcomes() == ["auth_failure", "success"]
    assert lab.events() == ["auth_recovered", "key_recovered", "auth_failed"]
    assert lab.event("key_recovered") == {
        "together.recovery.outcome": "recovered",
        "together.recovery.source": "function",
        "together.auth.cause": "rejected",
        "together.client.library": "together",
        "together.api_key.presence": "present",
        "together.api_key.source": "argument",
        "together.api_key.format": "tgp_v1",
        "together.api_key.length": len(lab.key),
        "together.api_key.fingerprint": IsStr(regex="[0-9a-f]{8}"),
    }
    first, second = [span for span in lab.telemetry.finished_spans() if span.kind.name == "CLIENT"]
    (mark,) = second.events
    assert mark.name == "together.client.key_recovered"
    assert mark.attributes is not None
    assert mark.attributes["together.recovery.source"] == "function"
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert first.parent is second.parent is None
    assert lab.leaks(lab.key, OLD) == []


def test_the_client_uses_the_new_key_from_then_on(lab):
    """And so do its relatives, whether they were made before or after."""
    source = Answers(lab.key)
    lab.instrument(source)
    client = lab.client(api_key=OLD)
    relatives = [client.with_options(timeout=5) for _ in range(2)] if GENERATION > 1 else [client]

    lab.chat(client)
    relatives += [client.with_options(timeout=6)] if GENERATION > 1 else []
    for one in (*relatives, client):
        lab.chat(one)
        lab.run(one.files.list)

    assert lab.keys_sent().count(OLD) == 1
    assert source.calls == 1
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.searches() == {"recovered": 1}


def test_relatives_use_the_new_key_where_recovery_is_off(lab):
    """A client that was recovered in one block of code is so everywhere."""
    lab.instrument(None)
    client = lab.client(api_key=OLD)
    relative = client.with_options(timeout=5) if GENERATION > 1 else client
    with recovery.use(Answers(lab.key)):
        lab.chat(client)
    lab.chat(relative)
    assert lab.keys_sent() == [OLD, lab.key, lab.key]


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        ("", "empty"),
        ("{key}\n", "malformed"),
        ("changeme", "malformed"),
        ("{old}é", "malformed"),
        ("sk-ant-" + "q1W" * 12, "wrong_provider"),
        ("opaque.token/0123456789", "unknown"),
    ],
    ids=["empty", "newline", "placeholder", "accent", "wrong provider", "unknown"],
)
def test_whatever_is_wrong_with_the_key(lab, bad, cause):
    """A key that could not even be sent is replaced as one that was refused."""
    source = Answers(lab.key)
    lab.instrument(source)

    given = bad.replace("{key}", lab.key).replace("{old}", OLD)
    assert lab.chat(lab.client(api_key=given)).choices

    assert source.calls == 1
    # 1.x makes no client of an empty key, and so that is replaced before anything fails.
    expected = 0 if GENERATION == 1 and cause == "empty" else 1
    failures = "together.client.auth.failures"
    assert lab.telemetry.counter(failures, {"together.auth.cause": cause}) == expected
    assert lab.telemetry.counter(failures) == expected
    assert lab.searches() == {"recovered": 1}
    assert lab.server.requests[-1].key == lab.key
    assert lab.leaks(lab.key) == []


def test_a_key_that_was_revoked(lab):
    """The whole story of a long night: accepted, revoked, replaced; no request fails."""
    new = made_up_key("W")
    with TogetherServer(keys=[lab.key, new]) as running:
        lab.sdk.base_url = running.base_url_for(RELEASE)
        lab.instrument(Answers(new))
        client = lab.client(api_key=lab.key)
        lab.chat(client)
        running.revoke(lab.key)
        lab.chat(client)
        lab.chat(client)
    assert lab.outcomes() == ["success", "auth_failure", "success", "success"]
    assert lab.event("key_recovered")["together.auth.cause"] == "revoked"


def test_a_constructor_without_a_key(lab):
    """It gets one, and so does the next, without another question, until that is refused.

    Nothing has failed: the application has its client.
    """
    second = made_up_key("S")
    source = Answers(lab.key, second)
    lab.instrument(source)

    lab.chat(lab.client())
    lab.chat(lab.client())
    assert source.calls == 1
    assert lab.keys_sent() == [lab.key, lab.key]
    assert lab.telemetry.counter("together.client.auth.failures") == 0
    assert lab.searches() == {"recovered": 1}

    lab.server.revoke(lab.key)
    lab.server.script(behaviours.refuse(), behaviours.accept())
    third = lab.client()
    lab.chat(third)
    assert lab.keys_sent()[2:] == [lab.key, second]
    lab.client()
    assert source.calls == 3
    assert lab.leaks(lab.key) == []


@pytest.mark.parametrize("good", [True, False], ids=["accepted", "refused"])
def test_a_constructors_key_is_proven_by_a_request(lab, good):
    """Nothing was recovered from before one is accepted; however many clients there are."""
    lab.instrument(Answers(lab.key if good else BAD))
    clients = [lab.client(), lab.client()]
    assert lab.searches() == {}
    assert lab.events() == []
    for client in clients:
        with nullcontext() if good else pytest.raises(Exception, match="Invalid API key"):
            lab.chat(client)
    if good:
        assert lab.searches() == {"recovered": 1}
        return
    # The source rests when it had nothing else for the first of them.
    assert lab.searches() == {"refused_again": 1, "no_new_key": 1}
    with pytest.raises(Exception, match="api_key client option must be set"):
        lab.client()
    assert lab.searches()["refused_again"] == 1


def test_a_stream_that_is_refused_at_its_beginning(lab):
    """Nothing of it was read: it is asked for again."""
    lab.instrument(Answers(lab.key))
    stream = lab.chat(lab.client(api_key=OLD), stream=True)
    assert len(lab.read(stream)) > 2
    assert lab.keys_sent() == [OLD, lab.key]
    assert lab.outcomes() == ["auth_failure", "success"]
    assert lab.searches() == {"recovered": 1}


def test_a_refusal_within_a_stream_is_not_repaired(lab):
    """Its first chunks were read already."""
    source = Answers(made_up_key("W"))
    lab.instrument(source)
    lab.server.always(behaviours.error_frame(code="invalid_api_key"))
    stream = lab.chat(lab.client(api_key=lab.key), stream=True)
    # 1.x hands it on as a chunk.
    with nullcontext() if GENERATION == 1 else pytest.raises(Exception, match="Invalid API key"):
        lab.read(stream)
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert (source.calls, len(lab.server.requests)) == (0, 1)


@pytest.mark.skipif(GENERATION < 2, reason="1.x has neither")
def test_raw_and_streaming_responses_and_pages(lab):
    """All that passes the base client's request is made again."""
    source = Answers(lab.key)
    lab.instrument(source)
    raw = lab.client(api_key=OLD)
    answer = lab.run(
        lambda: raw.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    )
    assert answer.http_response.status_code == 200

    streaming = lab.client(api_key=OLD)

    def asked():
        return streaming.chat.completions.with_streaming_response.create(
            model=MODEL, messages=MESSAGES
        )

    if lab.sdk.is_async:

        async def read():
            async with asked() as response:
                return await response.read()

        assert lab.run(read)
    else:
        with asked() as response:
            assert response.read()
    assert lab.keys_sent() == [OLD, lab.key, OLD, lab.key]
    assert source.calls == 2
