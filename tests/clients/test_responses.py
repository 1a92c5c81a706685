"""The Responses API at Together, by the openai client: a chat in other words."""

import json

import pytest
from dirty_equals import IsFloat, IsPartialDict
from reaching import MODEL
from reported import calls, failures

from together_otel import instrument, uninstrument
from together_otel.testing import behaviours

pytest.importorskip("openai.resources.responses")

CALLED = {"type": "function_call", "id": "fc-1", "call_id": "c-1", "name": "look"}
SAID = {"type": "output_text", "text": "Hello!", "annotations": []}
MEDIA = [
    {"type": "input_image", "image_url": "https://a.invalid/1.png", "detail": "auto"},
    {"type": "input_image", "file_id": "file-1"},
    {"type": "input_file", "file_id": "file-2"},
    {"type": "input_file", "file_url": "https://a.invalid/2.pdf"},
]
REFERENCES = [
    {"type": "uri", "modality": "image", "uri": "https://a.invalid/1.png"},
    {"type": "file", "modality": "image", "file_id": "file-1"},
    {"type": "file", "modality": "document", "file_id": "file-2"},
    {"type": "uri", "modality": "document", "uri": "https://a.invalid/2.pdf"},
]
OUTPUT = [
    {"type": "reasoning", "id": "rs-1", "summary": [{"type": "summary_text", "text": "Be kind."}]},
    {"type": "message", "id": "msg-1", "role": "assistant", "status": "completed"}
    | {"content": [SAID]},
]
USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 12,
}


def response(status="completed", **fields):
    """Return a response as Together gives it."""
    common = {"id": "resp-1", "object": "response", "created_at": 1, "model": MODEL}
    own = {"error": None, "incomplete_details": None, "output": [], "usage": None, "tools": []}
    return (
        common
        | {"status": status, "parallel_tool_calls": True, "tool_choice": "auto"}
        | own
        | fields
    )


def whole(**fields):
    return behaviours.custom(200, response(**fields))


def events(*last):
    """Stream a response's beginning, a piece of its text, and its last events."""
    delta = {"type": "response.output_text.delta", "delta": "Hel", "item_id": "msg-1"}
    told = [
        {"type": "response.created", "response": response("in_progress")},
        delta | {"content_index": 0, "output_index": 0, "logprobs": []},
        *last,
    ]
    frames = (
        f"event: {one['type']}\ndata: {json.dumps(one | {'sequence_number': place})}\n\n"
        for place, one in enumerate(told)
    )
    return behaviours.custom(200, "".join(frames), content_type="text/event-stream")


def ask(lab, **options):
    client = lab.client(api_key=lab.key)
    options = {"model": MODEL, "input": "Hello", **options}
    return lab.run(lambda: client.responses.create(**options))


def test_a_response_is_a_chat(lab, server, telemetry):
    server.script(whole(output=OUTPUT, usage=USAGE))
    asked = {"previous_response_id": "resp-0", "conversation": {"id": "conv-1"}}
    reasoning = {"effort": "low"}
    ask(lab, max_output_tokens=9, temperature=1, reasoning=reasoning, extra_body=asked)
    (attributes,) = calls(telemetry)
    assert attributes == IsPartialDict(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.max_tokens": 9,
            "gen_ai.request.temperature": 1.0,
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.request.previous_response.id": "resp-0",
            "gen_ai.conversation.id": "conv-1",
            "gen_ai.response.id": "resp-1",
            "gen_ai.response.model": MODEL,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.usage.cache_read.input_tokens": 2,
            "gen_ai.usage.reasoning.output_tokens": 3,
            "together.request.outcome": "success",
        }
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"output": [CALLED | {"arguments": "{}"}]}, "tool_calls"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
        ),
        ({"status": "in_progress"}, "error"),
    ],
)
def test_why_it_ended(lab, server, telemetry, fields, reason):
    server.script(whole(**fields))
    ask(lab)
    assert calls(telemetry)[0]["gen_ai.response.finish_reasons"] == [reason]


def test_a_stream(lab, server, telemetry):
    """Its usage is in its last event, and its call ends with it."""
    done = response(output=OUTPUT, usage=USAGE)
    server.script(events({"type": "response.completed", "response": done}))
    stream = ask(lab, stream=True)
    assert calls(telemetry) == []
    assert len(lab.read(stream)) == 3
    (attributes,) = calls(telemetry)
    assert attributes == IsPartialDict(
        {
            "gen_ai.request.stream": True,
            "gen_ai.response.id": "resp-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.response.time_to_first_chunk": IsFloat,
            "together.request.outcome": "success",
        }
    )


FAILED = {"code": "server_error", "message": "The model is overloaded."}


@pytest.mark.parametrize(
    "last",
    [
        {"type": "response.failed", "response": response("failed", error=FAILED)},
        {"type": "error", "param": None, **FAILED},
    ],
    ids=["failed", "error"],
)
def test_a_stream_that_fails(lab, server, telemetry, last):
    """An event that tells of a failure is one, though the client hands it on as any other."""
    server.script(events(last))
    lab.read(ask(lab, stream=True))
    assert calls(telemetry)[0]["together.request.outcome"] == "server_error"
    assert failures(telemetry) == {}


def test_a_response_that_failed(lab, server, telemetry):
    server.script(whole(status="failed", error=FAILED))
    ask(lab)
    assert calls(telemetry)[0]["together.request.outcome"] == "server_error"


def test_an_event_that_refuses_the_key(lab, server, telemetry):
    """The events before it have shown that the key was good until then."""
    refusal = {"code": "invalid_api_key", "message": behaviours.INVALID_KEY}
    server.script(events({"type": "error", "param": None, **refusal}))
    lab.read(ask(lab, stream=True))
    assert failures(telemetry) == {"revoked": 1}


def test_a_server_without_it(lab, server, telemetry):
    import openai

    server.script(behaviours.custom(404, {"error": {"message": "Not found"}}))
    with pytest.raises(openai.NotFoundError):
        ask(lab)
    (attributes,) = calls(telemetry)
    assert attributes["gen_ai.operation.name"] == "chat"
    assert attributes["together.request.outcome"] == "client_error"


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_said(lab, server, telemetry, monkeypatch, stream):
    """Instructions, items of either side and the answer, in the conventions' shapes."""
    uninstrument()
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)
    done = response(output=[*OUTPUT, CALLED | {"arguments": '{"at": 1}'}], usage=USAGE)
    server.script(
        events({"type": "response.completed", "response": done}) if stream else whole(**done)
    )
    given = [
        {"role": "user", "content": [{"type": "input_text", "text": "Look"}, *MEDIA]},
        CALLED | {"arguments": "{}"},
        {"type": "function_call_output", "call_id": "c-1", "output": "A tree"},
    ]
    returned = ask(lab, input=given, instructions="Be brief.", stream=stream)
    if stream:
        lab.read(returned)
    (attributes,) = calls(telemetry)
    called = {"type": "tool_call", "name": "look", "id": "c-1"}
    assert json.loads(attributes["gen_ai.system_instructions"]) == [
        {"type": "text", "content": "Be brief."}
    ]
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Look"}, *REFERENCES]},
        {"role": "assistant", "parts": [called | {"arguments": {}}]},
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "response": "A tree", "id": "c-1"}],
        },
    ]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Be kind."},
                {"type": "text", "content": "Hello!"},
                called | {"arguments": {"at": 1}},
            ],
            "finish_reason": "tool_call",
        }
    ]


def test_what_was_said_till_it_was_left(lab, server, telemetry, monkeypatch):
    """The pieces that came: nothing repeats them."""
    uninstrument()
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)
    reasoning = {"type": "response.reasoning_summary_text.delta", "delta": "Be kind."}
    done = {"type": "response.output_item.done", "output_index": 2}
    more = {"type": "response.output_text.delta", "delta": "lo!", "item_id": "msg-1"}
    server.script(
        events(
            reasoning | {"item_id": "rs-1", "output_index": 0, "summary_index": 0},
            more | {"content_index": 0, "output_index": 0, "logprobs": []},
            done | {"item": CALLED | {"arguments": '{"at": 1}'}},
        )
    )
    stream = ask(lab, stream=True)
    lab.read(stream)
    (attributes,) = calls(telemetry)
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Be kind."},
                {"type": "text", "content": "Hello!"},
                {"type": "tool_call", "name": "look", "id": "c-1", "arguments": {"at": 1}},
            ],
            "finish_reason": "error",
        }
    ]
