"""The openai client at Together: accepted calls of each kind, and other hosts left alone."""

from contextlib import suppress
from functools import partial
from unittest.mock import Mock

import pytest
from calling import leaks
from dirty_equals import IsFloat, IsInt, IsPartialDict
from frames import frames_of_ours, shown_by
from reaching import ELSEWHERE, MESSAGES, MODEL, TOGETHER
from reported import calls, events, failures

from together_otel import instrument, uninstrument
from together_otel.testing import behaviours


def test_chat(lab, telemetry):
    lab.chat(lab.client(api_key=lab.key), temperature=0.5)
    assert telemetry.spans()[1] == {
        "name": f"chat {MODEL}",
        "kind": "CLIENT",
        "status": "UNSET",
        "description": None,
        "events": [],
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "together",
            "together.client.library": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.id": "gen-1",
            "gen_ai.response.model": MODEL,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": IsInt,
            "gen_ai.usage.output_tokens": IsInt,
            "server.address": "api.together.xyz",
            "server.port": IsInt,
            "http.response.status_code": 200,
            "together.request.id": "req-1",
            "together.request.outcome": "success",
            "together.ratelimit.limit": IsFloat,
            "together.ratelimit.remaining": IsFloat,
            "together.ratelimit.reset": IsFloat,
        },
    }
    (init,) = [span for span in telemetry.spans() if span["name"] == "together.client.init"]
    assert init["attributes"] == IsPartialDict(
        {"together.api_key.source": "argument", "together.client.library": "openai"}
    )
    (checked,) = events(telemetry, "key_checked")
    assert checked["together.client.library"] == "openai"
    assert telemetry.counter("together.client.requests") == 1


def test_stream(lab, telemetry):
    """A stream's call ends with the stream, and has the tokens of its last chunk."""
    stream = lab.chat(
        lab.client(api_key=lab.key), stream=True, stream_options={"include_usage": True}
    )
    assert calls(telemetry) == []
    assert len(lab.read(stream)) > 1
    (attributes,) = calls(telemetry)
    assert attributes == IsPartialDict(
        {
            "together.request.outcome": "success",
            "gen_ai.request.stream": True,
            "gen_ai.usage.output_tokens": IsInt,
            "gen_ai.response.time_to_first_chunk": IsFloat,
        }
    )


def test_embeddings(lab, telemetry):
    client = lab.client(api_key=lab.key)
    lab.run(lambda: client.embeddings.create(model="m", input="Hi", encoding_format="float"))
    (attributes,) = calls(telemetry)
    assert attributes == IsPartialDict(
        {"gen_ai.operation.name": "embeddings", "together.request.outcome": "success"}
    )


@pytest.mark.parametrize("stream", [False, True])
def test_raw_responses(lab, telemetry, stream):
    """What ``with_raw_response`` gives is the caller's to parse, once or not at all."""
    client = lab.client(api_key=lab.key)
    raw = lab.run(
        lambda: client.chat.completions.with_raw_response.create(
            model=MODEL, messages=MESSAGES, stream=stream
        )
    )
    assert raw.http_response.status_code == 200
    parsed = raw.parse()
    if stream:
        assert len(lab.read(parsed)) > 1
    else:
        assert parsed.model == MODEL
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert attributes["gen_ai.response.model"] == MODEL


def test_streaming_response(lab, telemetry):
    client = lab.client(api_key=lab.key)
    create = client.chat.completions.with_streaming_response.create
    if lab.is_async:

        async def reading():
            async with create(model=MODEL, messages=MESSAGES) as response:
                await response.read()

        lab.run(reading)
    else:
        with create(model=MODEL, messages=MESSAGES) as response:
            response.read()
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == "success"


def test_base_url_that_is_set_later(lab, telemetry):
    """The host is asked at each request, not when the client is made."""
    client = lab.client(api_key=lab.key, base_url=lab.at(ELSEWHERE))
    lab.chat(client)
    assert telemetry.spans() == []
    client.base_url = lab.base_url
    lab.chat(client)
    client.base_url = lab.at(ELSEWHERE)
    lab.chat(client)
    assert [one["together.client.library"] for one in calls(telemetry)] == ["openai"]


def test_base_url_of_the_environment(lab, telemetry, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", lab.base_url)
    lab.chat(lab.client(api_key=lab.key, base_url=None))
    assert len(calls(telemetry)) == len(events(telemetry, "key_checked")) == 1


def test_absolute_url_of_a_request(lab, telemetry):
    """A request may name a host of its own."""
    client = lab.client(api_key=lab.key, base_url=lab.at(ELSEWHERE))
    url = f"{lab.base_url}/chat/completions"
    body = {"model": MODEL, "messages": MESSAGES}
    lab.run(lambda: client.post(url, body=body, cast_to=object))
    lab.run(lambda: client.post("/chat/completions", body=body, cast_to=object))
    assert [one["server.address"] for one in calls(telemetry)] == ["api.together.xyz"]


def test_a_url_in_the_query_of_another(lab, telemetry):
    """The host is still the client's."""
    client = lab.client(api_key=lab.key)
    path = "/models?from=https://api.example.com/v1"
    lab.run(lambda: client.get(path, cast_to=object))
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["name"] == "models.list"
    assert span["attributes"]["together.client.library"] == "openai"
    assert span["attributes"]["server.address"] == TOGETHER


@pytest.mark.parametrize("fails", [False, True])
def test_another_host_is_left_alone(lab, telemetry, fails):
    """Nothing of a client of another provider is looked at, counted or told."""
    import openai

    client = lab.client(api_key="sk-" + "a1B2" * 10, base_url=lab.at(ELSEWHERE))
    if fails:
        with pytest.raises(openai.AuthenticationError):
            lab.chat(client)
    else:
        lab.server.always(behaviours.accept())
        lab.chat(client)
    with pytest.raises(openai.OpenAIError):
        lab.client(api_key=None, base_url=lab.at(ELSEWHERE))
    assert telemetry.spans() == telemetry.logs() == []
    assert failures(telemetry) == {}
    assert telemetry.counter("together.client.key.checks") == 0


def test_host_of_a_gateway(lab, telemetry):
    """A host that TOGETHER_OTEL_HOSTS names is Together's; the verdict follows the setting."""
    client = lab.client(api_key=lab.key, base_url=lab.at(ELSEWHERE))
    lab.chat(client)
    uninstrument()
    instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        hosts=[ELSEWHERE],
    )
    lab.chat(client)
    assert len(calls(telemetry)) == 1


def test_retries_are_one_call(lab, telemetry):
    lab.server.script(behaviours.server_error(500), behaviours.rate_limited())
    lab.chat(lab.client(api_key=lab.key, max_retries=2))
    (attributes,) = calls(telemetry)
    assert attributes["http.request.resend_count"] == 2
    assert telemetry.counter("together.client.retries") == 2


def test_originals_come_back(lab, telemetry):
    """What was patched is the original again, and a client that is left works on."""
    import openai

    client = lab.client(api_key=lab.key)
    uninstrument()
    for owner, name in (
        (openai.OpenAI, "__init__"),
        (openai._base_client.SyncAPIClient, "request"),
        (openai._base_client.AsyncAPIClient, "_process_response"),
    ):
        assert type(vars(owner)[name]).__name__ == "function"
    lab.chat(client)
    assert calls(telemetry) == []


def test_content(lab, telemetry, monkeypatch):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    uninstrument()
    instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)
    lab.chat(lab.client(api_key=lab.key))
    (attributes,) = calls(telemetry)
    assert "Hello" in attributes["gen_ai.input.messages"]
    assert attributes["gen_ai.output.messages"]


def test_recovery(lab, telemetry):
    """A refused key is replaced from the environment, and the call made again."""
    uninstrument()
    instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        recovery=lambda: lab.key,
    )
    client = lab.client(api_key=lab.key[:-3] + "zzz")
    assert lab.chat(client).model == MODEL
    assert client.api_key == lab.key
    assert telemetry.counter("together.client.key.recoveries") == 1


def test_preflight(lab, telemetry, monkeypatch):
    """A key that cannot work is refused at once, for a client of Together's alone."""
    import openai

    monkeypatch.setenv("TOGETHER_OTEL_PREFLIGHT", "raise")
    uninstrument()
    instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)
    with pytest.raises(openai.AuthenticationError, match="is a placeholder"):
        lab.client(api_key="changeme")
    lab.client(api_key="changeme", base_url=lab.at(ELSEWHERE))
    assert failures(telemetry) == {"malformed": 1}
    assert lab.server.requests == []


def test_a_call_of_any_kind_of_arguments(lab, telemetry):
    """Whatever a caller gets wrong raises what it does without us."""
    client = lab.client(api_key=lab.key)
    request = client.request
    with pytest.raises(TypeError, match="missing"):
        lab.run(request)
    assert calls(telemetry) == []


@pytest.mark.parametrize("end", ["", "\n"], ids=["refused", "newline"])
def test_no_frame_of_ours_shows_a_key(lab, telemetry, end):
    """While the client, what is beneath it or this package logs."""
    wrong = lab.key[::-1]
    with frames_of_ours() as shown, suppress(Exception):
        lab.chat(lab.client(api_key="tgp_" + wrong + end), extra_headers={"X-Key": wrong})
    assert calls(telemetry)
    assert shown
    assert leaks("\n".join(shown), wrong) == []


@pytest.mark.parametrize("where", ["is_together_host", "is_together_url"])
def test_an_interrupt_shows_no_key(lab, telemetry, monkeypatch, where):
    """Where it comes while we look at the host; the next call is told as ever."""
    options = {"api_key": lab.key, "default_headers": {"Authorization": f"Bearer {lab.key}"}}
    client = lab.client(**options)
    act = (
        partial(lab.chat, client) if where == "is_together_host" else partial(lab.client, **options)
    )
    with monkeypatch.context() as patched:
        interrupt = Mock(side_effect=KeyboardInterrupt)
        patched.setattr(f"together_otel.clients.openai.{where}", interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            act()
    assert leaks("\n".join(shown_by(caught.value)), lab.key) == []
    lab.chat(client)
    assert len(calls(telemetry)) == 1
