"""Calls whose content is captured, and what was told of it, for the tests of it."""

import json

import conventions
from generation import MODEL
from reported import call

from together_otel import names
from together_otel.testing import behaviours

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

INPUTS, OUTPUTS = names.INPUT_MESSAGES, names.OUTPUT_MESSAGES
TOOLS, INSTRUCTIONS = names.TOOL_DEFINITIONS, names.SYSTEM_INSTRUCTIONS
CONTENT = {INPUTS, OUTPUTS, TOOLS, INSTRUCTIONS}

ENVELOPE = {"id": "gen-x", "created": 1, "model": MODEL}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def whole(*messages, finish_reason="stop"):
    """Answer these messages, one a choice."""
    choices = [
        {"index": place, "message": {"role": "assistant", **said}, "finish_reason": finish_reason}
        for place, said in enumerate(messages)
    ]
    kind = {"object": "chat.completion", "prompt": [], "usage": USAGE}
    return behaviours.custom(200, ENVELOPE | kind | {"choices": choices})


def streamed(*deltas, finish_reason="stop"):
    """Stream these deltas, one a chunk, each of the choice that its ``choice`` names."""
    frames = []
    for place, delta in enumerate(deltas):
        said = {"role": "assistant", "content": None, **delta}
        choice = {"index": said.pop("choice", 0), "delta": said, "finish_reason": None}
        if place == len(deltas) - 1:
            choice["finish_reason"] = finish_reason
        chunk = ENVELOPE | {"object": "chat.completion.chunk", "choices": [choice]}
        frames.append(f"data: {json.dumps(chunk)}\n\n")
    return behaviours.custom(
        200, "".join(frames) + "data: [DONE]\n\n", content_type="text/event-stream"
    )


def calling(name, arguments, **more):
    """Return a tool call as the API has it."""
    function = {"name": name, "arguments": arguments}
    return {"id": "call-1", "type": "function", "index": 0, "function": function, **more}


def text(said):
    return {"type": "text", "content": said}


def user(*parts):
    return {"role": "user", "parts": list(parts)}


def reply(*parts, finish_reason="stop"):
    return {"role": "assistant", "parts": list(parts), "finish_reason": finish_reason}


def events(telemetry):
    """Return the events that are made for content."""
    name = "gen_ai.client.inference.operation.details"
    return [log for log in telemetry.logs() if log["event_name"] == name]


def parsed(attributes):
    """Return the content among a span's attributes: strict JSON, as the conventions have it."""
    found = {
        name: json.loads(value, parse_constant=_not_json)
        for name, value in attributes.items()
        if name in CONTENT
    }
    conventions.check(found)
    return found


def _not_json(constant):
    raise AssertionError(f"{constant} is not JSON")


def structured(attributes):
    """Return the content among an event's attributes: structures, as the conventions have it."""
    found = {name: plain(value) for name, value in attributes.items() if name in CONTENT}
    conventions.check(found)
    return found


def plain(value):
    """Return what OpenTelemetry made tuples of as lists again."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def content(telemetry):
    """Return what was told, which must be the same on the only span and in the only event."""
    on_span = parsed(call(telemetry))
    (event,) = events(telemetry)
    assert structured(event["attributes"]) == on_span
    return on_span


def gathered(messages):
    """Return what was gathered of a call, after making sure that it is as the conventions say."""
    found = {
        INPUTS: messages.inputs,
        OUTPUTS: messages.outputs(),
        INSTRUCTIONS: messages.instructions,
        TOOLS: messages.tools,
    }
    conventions.check(found)
    return found
