"""After a refusal: another key, the request once more, and nothing that crashes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from dirty_equals import IsStr
from generation import GENERATION, MESSAGES, MODEL, RELEASE, Sdk, leaks, made_up_key
from recovering import (
    BAD,
    OLD,
    Answers,
    event,
    events,
    instrument,
    keys_sent,
    outcomes,
    searches,
)

from together_otel import recovery
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer

if TYPE_CHECKING:
    from together_otel.testing.telemetry import CapturedTelemetry


def test_a_refused_request_is_made_again_with_another_key(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """The application gets its answer; the refusal keeps its span, and is told once."""
    source = Answers(f" {key}\n")
    instrument(telemetry, source)

    answer = sdk.chat(sdk.client(api_key=OLD))

    assert answer.choices[0].message.content
    assert keys_sent(server) == [OLD, key]
    assert source.calls == 1
    assert telemetry.counter("together.client.auth.failures") == 1
    assert searches(telemetry) == {"recovered": 1}
    assert outcomes(telemetry) == ["auth_failure", "success"]
    assert events(telemetry) == ["auth_failed", "auth_recovered", "key_recovered"]
    assert event(telemetry, "key_recovered") == {
        "together.recovery.outcome": "recovered",
        "together.recovery.source": "function",
        "together.auth.cause": "rejected",
        "together.api_key.presence": "present",
        "together.api_key.source": "argument",
        "together.api_key.format": "tgp_v1",
        "together.api_key.length": len(key),
        "together.api_key.fingerprint": IsStr(regex="[0-9a-f]{8}"),
    }
    first, second = [span for span in telemetry.finished_spans() if span.kind.name == "CLIENT"]
    (mark,) = second.events
    assert mark.name == "together.client.key_recovered"
    assert mark.attributes is not None
    assert mark.attributes["together.recovery.source"] == "function"
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert first.parent is second.parent is None
    assert leaks(telemetry.everything(), key) == leaks(telemetry.everything(), OLD) == []


def test_the_client_uses_the_new_key_from_then_on(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """And so do its relatives, whether they were made before or after."""
    source = Answers(key)
    instrument(telemetry, source)
    client = sdk.client(api_key=OLD)
    relatives = [client.with_options(timeout=5) for _ in range(2)] if GENERATION > 1 else [client]

    sdk.chat(client)
    relatives += [client.with_options(timeout=6)] if GENERATION > 1 else []
    for one in (*relatives, client):
        sdk.chat(one)
        sdk.run(one.files.list)

    assert keys_sent(server).count(OLD) == 1
    assert source.calls == 1
    assert telemetry.counter("together.client.auth.failures") == 1
    assert searches(telemetry) == {"recovered": 1}


def test_relatives_use_the_new_key_where_recovery_is_off(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """A client that was recovered in one block of code is so everywhere."""
    instrument(telemetry, None)
    client = sdk.client(api_key=OLD)
    relative = client.with_options(timeout=5) if GENERATION > 1 else client
    with recovery.use(Answers(key)):
        sdk.chat(client)
    sdk.chat(relative)
    assert keys_sent(server) == [OLD, key, key]


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
def test_whatever_is_wrong_with_the_key(
    bad: str,
    cause: str,
    sdk: Sdk,
    server: TogetherServer,
    key: str,
    telemetry: CapturedTelemetry,
) -> None:
    """A key that could not even be sent is replaced as one that was refused."""
    source = Answers(key)
    instrument(telemetry, source)

    given = bad.replace("{key}", key).replace("{old}", OLD)
    assert sdk.chat(sdk.client(api_key=given)).choices

    assert source.calls == 1
    # 1.x makes no client of an empty key, and so that is replaced before anything fails.
    expected = 0 if GENERATION == 1 and cause == "empty" else 1
    failures = "together.client.auth.failures"
    assert telemetry.counter(failures, {"together.auth.cause": cause}) == expected
    assert telemetry.counter(failures) == expected
    assert searches(telemetry) == {"recovered": 1}
    assert server.requests[-1].key == key
    assert leaks(telemetry.everything(), key) == []


def test_a_key_that_was_revoked(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """The whole story of a long night: accepted, revoked, replaced; no request fails."""
    new = made_up_key("W")
    with TogetherServer(keys=[key, new]) as running:
        sdk.base_url = running.base_url_for(RELEASE)
        instrument(telemetry, Answers(new))
        client = sdk.client(api_key=key)
        sdk.chat(client)
        running.revoke(key)
        sdk.chat(client)
        sdk.chat(client)
    assert outcomes(telemetry) == ["success", "auth_failure", "success", "success"]
    assert event(telemetry, "key_recovered")["together.auth.cause"] == "revoked"


def test_a_constructor_without_a_key(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """It gets one, and so does the next, without another question, until that is refused.

    Nothing has failed: the application has its client.
    """
    second = made_up_key("S")
    source = Answers(key, second)
    instrument(telemetry, source)

    sdk.chat(sdk.client())
    sdk.chat(sdk.client())
    assert source.calls == 1
    assert keys_sent(server) == [key, key]
    assert telemetry.counter("together.client.auth.failures") == 0
    assert searches(telemetry) == {"recovered": 1}

    server.revoke(key)
    server.script(behaviours.refuse(), behaviours.accept())
    third = sdk.client()
    sdk.chat(third)
    assert keys_sent(server)[2:] == [key, second]
    sdk.client()
    assert source.calls == 3
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.parametrize("good", [True, False], ids=["accepted", "refused"])
def test_a_constructors_key_is_proven_by_a_request(
    good: bool,  # noqa: FBT001 - a table's column
    sdk: Sdk,
    key: str,
    telemetry: CapturedTelemetry,
) -> None:
    """Nothing was recovered from before one is accepted; however many clients there are."""
    instrument(telemetry, Answers(key if good else BAD))
    clients = [sdk.client(), sdk.client()]
    assert searches(telemetry) == {}
    assert events(telemetry) == []
    for client in clients:
        with nullcontext() if good else pytest.raises(Exception, match="Invalid API key"):
            sdk.chat(client)
    if good:
        assert searches(telemetry) == {"recovered": 1}
        return
    # The source rests when it had nothing else for the first of them.
    assert searches(telemetry) == {"refused_again": 1, "no_new_key": 1}
    with pytest.raises(Exception, match="api_key client option must be set"):
        sdk.client()
    assert searches(telemetry)["refused_again"] == 1


def test_a_stream_that_is_refused_at_its_beginning(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """Nothing of it was read: it is asked for again."""
    instrument(telemetry, Answers(key))
    stream = sdk.chat(sdk.client(api_key=OLD), stream=True)
    assert len(sdk.read(stream)) > 2
    assert keys_sent(server) == [OLD, key]
    assert outcomes(telemetry) == ["auth_failure", "success"]
    assert searches(telemetry) == {"recovered": 1}


def test_a_refusal_within_a_stream_is_not_repaired(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """Its first chunks were read already."""
    source = Answers(made_up_key("W"))
    instrument(telemetry, source)
    server.always(behaviours.error_frame(code="invalid_api_key"))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    # 1.x hands it on as a chunk.
    with nullcontext() if GENERATION == 1 else pytest.raises(Exception, match="Invalid API key"):
        sdk.read(stream)
    assert telemetry.counter("together.client.auth.failures") == 1
    assert (source.calls, len(server.requests)) == (0, 1)


@pytest.mark.skipif(GENERATION < 2, reason="1.x has neither")
def test_raw_and_streaming_responses_and_pages(
    sdk: Sdk, server: TogetherServer, key: str, telemetry: CapturedTelemetry
) -> None:
    """All that passes the base client's request is made again."""
    source = Answers(key)
    instrument(telemetry, source)
    raw = sdk.client(api_key=OLD)
    answer = sdk.run(
        lambda: raw.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    )
    assert answer.http_response.status_code == 200

    streaming = sdk.client(api_key=OLD)

    def asked() -> Any:
        return streaming.chat.completions.with_streaming_response.create(
            model=MODEL, messages=MESSAGES
        )

    if sdk.is_async:

        async def read() -> Any:
            async with asked() as response:
                return await response.read()

        assert sdk.run(read)
    else:
        with asked() as response:
            assert response.read()
    assert keys_sent(server) == [OLD, key, OLD, key]
    assert source.calls == 2
