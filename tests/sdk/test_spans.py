"""Whole spans by example."""

from enum import Enum

import pytest
from dirty_equals import IsFloat, IsInt, IsPartialDict
from generation import GENERATION, MODEL, leaks

from together_otel.testing import behaviours


def test_chat(sdk, key, telemetry):
    """What the caller set is there, what he did not is absent, and the answer's facts follow."""
    sdk.chat(
        sdk.client(api_key=key), temperature=0.5, max_tokens=64, stop=["END"], top_k=40, seed=7
    )
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span == {
        "name": f"chat {MODEL}",
        "kind": "CLIENT",
        "status": "UNSET",
        "description": None,
        "events": [],
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "together",
            "together.client.library": "together",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.stop_sequences": ["END"],
            "gen_ai.request.seed": 7,
            "server.address": "127.0.0.1",
            "server.port": IsInt,
            "together.request.outcome": "success",
            "together.request.id": "req-1",
            "http.response.status_code": 200,
            "together.ratelimit.limit": 600.0,
            "together.ratelimit.remaining": 599.0,
            "together.ratelimit.reset": 0.1,
            "gen_ai.response.model": MODEL,
            "gen_ai.response.id": "gen-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 1,
            "gen_ai.usage.output_tokens": 6,
        },
    }


def test_a_model_that_is_a_member_of_an_enum(sdk, key, telemetry):
    """It is its value, as in the request, and leaves nothing to a call with the string itself."""
    model = Enum("Model", {"LARGE": "a/model of an enum"}, type=str).LARGE
    for one in (model, str.__str__(model)):
        sdk.chat(sdk.client(api_key=key), model=one)
    spans = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert [one["name"] for one in spans] == ["chat a/model of an enum"] * 2
    assert {type(one["attributes"]["gen_ai.request.model"]) for one in spans} == {str}


def test_stream(sdk, key, telemetry):
    """A stream says that it is one, and when its first chunk came."""
    sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"] == IsPartialDict(
        {
            "gen_ai.request.stream": True,
            "gen_ai.response.time_to_first_chunk": IsFloat(gt=0),
            "gen_ai.usage.output_tokens": 6,
        }
    )


def test_cached_and_reasoning_tokens(sdk, key, server, telemetry):
    """Untyped as Together sends them, in either place."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "cached_tokens": 4,
        "completion_tokens_details": {"reasoning_tokens": 12},
    }
    body = {
        "id": "gen-x",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [],
        "usage": usage,
    }
    server.always(behaviours.custom(200, body))
    sdk.chat(sdk.client(api_key=key))
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"] == IsPartialDict(
        {"gen_ai.usage.cache_read.input_tokens": 4, "gen_ai.usage.reasoning.output_tokens": 12}
    )


def test_a_key_in_the_wrong_argument(sdk, key, server, telemetry):
    """A key given as model, stop sequence or effort is in no name, attribute, label or event."""
    server.always(behaviours.custom(404, {"error": {"message": f"No model {key}", "code": "x"}}))
    with pytest.raises(Exception, match="No model"):
        sdk.chat(sdk.client(api_key=key), model=key, stop=[key], reasoning_effort=key)

    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["name"] == "chat tgp_v1_[key]"
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.skipif(GENERATION < 2, reason="1.x does not look at its answers")
def test_an_answer_that_the_sdk_can_make_nothing_of(sdk, key, server, telemetry):
    """A 200 whose body is not what was promised is the server's error, not a success."""
    server.always(behaviours.custom(200, {"choices": 7}))
    client = sdk.client(api_key=key, _strict_response_validation=True)
    with pytest.raises(Exception, match="invalid for expected schema"):
        sdk.chat(client)

    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"]["together.request.outcome"] == "server_error"
    assert span["attributes"]["error.type"] == "together.APIResponseValidationError"
