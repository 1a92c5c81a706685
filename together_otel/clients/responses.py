"""Conversion of the Responses API's requests, answers and events to chat completions' format."""

from collections.abc import Mapping
from typing import Any, Final

from together_otel.clients.fields import NOTHING, every_field_of, fields_of

_REASONS: Final = {"max_output_tokens": "length"}
"""Reason why a response is incomplete → the finish reason, if they differ."""


_PIECES: Final = {
    "response.output_text.delta": "content",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
"""Type of an event with a piece of text → the field for the text in a chunk's delta."""


def _response_in(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a response, or the response of an event; an empty mapping for anything else."""
    if str(fields.get("type")).startswith("response."):
        fields = every_field_of(fields.get("response"))
    return fields if fields.get("object") == "response" else NOTHING


def as_completion(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a response or an event as a chat completion or a chunk; ``None`` for anything else."""
    if piece := _piece_in(fields):
        return {"choices": [{"index": 0, "delta": piece}]}
    if not (response := _response_in(fields)):
        return None
    message: dict[str, Any] = {"content": [], "tool_calls": [], "reasoning": ""}
    for item in _items(response.get("output")):
        said = fields_of(item)
        if said.get("type") == "function_call":
            message["tool_calls"] += _called(said)["tool_calls"]
        elif said.get("type") == "reasoning":
            texts = [*_items(said.get("summary")), *_items(said.get("content"))]
            message["reasoning"] += "".join(str(fields_of(one).get("text", "")) for one in texts)
        else:
            message["content"] += _items(said.get("content"))
    choice = {"index": 0, "finish_reason": _reason(response, message), "message": message}
    return {
        "id": response.get("id"),
        "model": response.get("model"),
        "choices": [choice],
        "usage": _usage(fields_of(response.get("usage"))),
    }


def _piece_in(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the delta of an event of a stream, whose last event repeats the whole answer."""
    kind = str(fields.get("type"))
    if (place := _PIECES.get(kind)) is not None:
        return {place: fields.get("delta")}
    item = fields_of(fields.get("item")) if kind == "response.output_item.done" else NOTHING
    if item.get("type") != "function_call":
        return None
    (call,) = _called(item)["tool_calls"]
    return {"tool_calls": [{"index": fields.get("output_index"), **call}]}


def _reason(response: Mapping[str, Any], message: Mapping[str, Any]) -> str | None:
    if response.get("status") == "completed":
        return "tool_calls" if message["tool_calls"] else "stop"
    reason = fields_of(response.get("incomplete_details")).get("reason")
    return _REASONS.get(reason, reason) if isinstance(reason, str) else None


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _usage(said: Mapping[str, Any]) -> dict[str, Any] | None:
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    names |= {f"{ours}_details": f"{theirs}_details" for ours, theirs in names.items()}
    return {ours: said.get(theirs) for ours, theirs in names.items()} if said else None


def error_in(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the error body of a response or an event; ``None`` if there is no error."""
    if fields.get("type") == "error" and "message" in fields:
        return {"error": fields}
    error = _response_in(fields).get("error")
    return {"error": fields_of(error)} if error else None


def as_message(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item of a request as a message; messages are the same in both APIs."""
    if item.get("type") == "function_call":
        return _called(item)
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    return item


def _called(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"id": item.get("call_id"), "function": item}]}
