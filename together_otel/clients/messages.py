"""Conversion of the content of requests and answers to the conventions' JSON, without redaction.

The format follows the JSON schemas of the OpenTelemetry GenAI semantic conventions: a message is
``{"role", "parts"}``, a part is ``{"type", …}``. Images, audio and video are recorded by reference
(`media`). Iterators are not consumed.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from together_otel.clients.fields import NO_REASON, every_field_of, fields_of, index_of
from together_otel.clients.media import media_given, media_in, reference
from together_otel.clients.responses import as_message

Part = dict[str, Any]
Message = dict[str, Any]
_Made = TypeVar("_Made")

MOST_MESSAGES: Final = 128
"""Maximum number of recorded messages of a request: the first, often the system's, and the last."""

MOST_PARTS: Final = 64
"""Maximum number of recorded parts of a message, choices of an answer and tools of a request."""

LONGEST_GATHERED: Final = 16_384
"""Maximum length of a text here; more than is emitted, so that redaction sees a key at the cut."""

_PROMPTS: Final = {
    "text_completion": "prompt",
    "image_generation": "prompt",
    "video_generation": "prompt",
    "speech": "input",
}
"""Operations whose input is one text → the field with it."""

_TEXTS: Final = ("text", "input_text", "output_text")
"""Types of text parts."""

_INSTRUCTIONS: Final = {"chat": "instructions", "transcription": "prompt", "translation": "prompt"}
"""Operations → the field with the instructions that precede their input."""

OPERATIONS: Final = frozenset({*_PROMPTS, *_INSTRUCTIONS})
"""Operations with messages."""

_FINISH: Final = {"tool_calls": "tool_call", "function_call": "tool_call", "eos": "stop"}
"""Together's finish reasons → the schema's, if they differ."""


def _word(value: object, default: str) -> str:
    """Return a string of the API, which SDK 1.x has as an enum member."""
    word = getattr(value, "value", value)
    return word if isinstance(word, str) and word else default


def _text(text: object) -> Part:
    return {"type": "text", "content": text[:LONGEST_GATHERED] if isinstance(text, str) else ""}


def _listed(value: Any, most: int) -> list[Any]:
    """Return the first items of a list or a tuple; nothing for an iterator, to not consume it."""
    return list(value[:most]) if isinstance(value, (list, tuple)) else []


def _content(value: Any) -> list[Part]:
    if isinstance(value, str):
        return [_text(value)] if value else []
    return [part for item in _listed(value, MOST_PARTS) if (part := _part(item))]


def _part(item: Any) -> Part | None:
    if isinstance(item, str):
        return _text(item)
    fields = fields_of(item)
    kind = _word(fields.get("type"), "")
    if kind in _TEXTS:
        return _text(fields.get("text"))
    if (medium := media_in(kind, fields.get(kind, fields))) is not None:
        return medium
    return {"type": "generic", "generic_type": kind} if kind else None


def _tool_call(call: Any) -> Part:
    fields = fields_of(call)
    function = fields_of(fields.get("function"))
    return _called(fields.get("id"), function.get("name"), function.get("arguments"))


def _called(identifier: object, name: object, arguments: Any) -> Part:
    if isinstance(arguments, str):
        arguments = arguments[:LONGEST_GATHERED]
        # A model may write invalid or incomplete JSON, which is recorded as a string.
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    part: Part = {"type": "tool_call", "name": _word(name, "")}
    if isinstance(identifier, str):
        part["id"] = identifier
    if arguments is not None:
        part["arguments"] = arguments
    return part


def _message(value: Any) -> Message:
    fields = as_message(every_field_of(value))
    role = _word(fields.get("role"), "user")
    content = fields.get("content")
    parts: list[Part]
    if role in {"tool", "function"}:
        response = _content(content) if isinstance(content, (list, tuple)) else content
        answered: Part = {"type": "tool_call_response", "response": response}
        if isinstance(identifier := fields.get("tool_call_id"), str):
            answered["id"] = identifier
        parts = [answered]
    else:
        reasoning = fields.get("reasoning") or fields.get("reasoning_content")
        parts = [{"type": "reasoning", "content": reasoning}] if isinstance(reasoning, str) else []
        parts += _content(content)
        parts += [_tool_call(call) for call in _listed(fields.get("tool_calls"), MOST_PARTS)]
        if (function := fields.get("function_call")) is not None:
            parts.append(_tool_call({"function": function}))
    message: Message = {"role": role, "parts": parts}
    if isinstance(name := fields.get("name"), str):
        message["name"] = name
    return message


@dataclass(slots=True)
class _Text:
    """Collects a text piece by piece, up to `LONGEST_GATHERED` characters."""

    pieces: list[str] = field(default_factory=list)
    left: int = LONGEST_GATHERED

    def add(self, piece: object) -> None:
        if isinstance(piece, str) and piece and self.left:
            piece = piece[: self.left]
            self.pieces.append(piece)
            self.left -= len(piece)

    def whole(self) -> str:
        return "".join(self.pieces)


@dataclass(slots=True)
class _ToolCall:
    """Collects a tool call, whose arguments arrive in pieces in a stream."""

    identifier: object = None
    name: object = None
    written: _Text = field(default_factory=_Text)
    arguments: Any = None

    def add(self, call: Mapping[str, Any]) -> None:
        function = fields_of(call.get("function"))
        self.identifier = call.get("id") or self.identifier
        self.name = function.get("name") or self.name
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            self.written.add(arguments)
        elif arguments is not None:
            self.arguments = arguments

    def part(self) -> Part:
        return _called(self.identifier, self.name, self.written.whole() or self.arguments)


@dataclass(slots=True)
class _Choice:
    """Collects one choice of an answer, whole or piece by piece."""

    text: _Text = field(default_factory=_Text)
    reasoning: _Text = field(default_factory=_Text)
    tool_calls: dict[int, _ToolCall] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, choice: Mapping[str, Any], reason: object) -> None:
        """Add a choice of a whole answer or of a chunk, with its finish reason, if any."""
        whole = choice.get("message")
        if whole:  # a stream's last event may repeat all pieces
            self.text, self.reasoning, self.tool_calls, self.parts = _Text(), _Text(), {}, []
        said = every_field_of(whole or choice.get("delta"))
        content = said.get("content")
        if isinstance(content, list):
            self.attach(*_content(content))
        else:
            self.text.add(content or choice.get("text"))
        self.reasoning.add(said.get("reasoning") or said.get("reasoning_content"))
        for place, item in enumerate(_listed(said.get("tool_calls"), MOST_PARTS)):
            call = fields_of(item)
            index = place if whole else index_of(call, place)
            _kept(self.tool_calls, index, _ToolCall).add(call)
        word = _word(reason, "")
        self.finish_reason = _FINISH.get(word, word) or self.finish_reason or NO_REASON

    def attach(self, *parts: Part) -> None:
        """Add parts that are not text."""
        self.parts += parts[: MOST_PARTS - len(self.parts)]

    def message(self) -> Message:
        """Return the choice as a message; images and transcripts have no finish reason."""
        parts: list[Part] = []
        if reasoning := self.reasoning.whole():
            parts.append({"type": "reasoning", "content": reasoning})
        if text := self.text.whole():
            parts.append(_text(text))
        parts += self.parts
        parts += [call.part() for call in self.tool_calls.values()]
        return {"role": "assistant", "parts": parts, "finish_reason": self.finish_reason or "stop"}


def _kept(found: dict[int, _Made], index: int, make: Callable[[], _Made]) -> _Made:
    """Return the item at an index, created if needed; beyond `MOST_PARTS` it is not stored."""
    if index in found:
        return found[index]
    made = make()
    if len(found) < MOST_PARTS:
        found[index] = made
    return made


class Messages:
    """The content of one call of one of `OPERATIONS`, by the body of its request."""

    def __init__(self, operation: str, body: Mapping[str, Any]) -> None:
        self.inputs: list[Message] = _inputs(operation, body)
        self.tools: list[dict[str, Any]] = [
            _tool(tool) for tool in _listed(body.get("tools"), MOST_PARTS)
        ]
        said = body.get(_INSTRUCTIONS.get(operation, ""))
        self.instructions: list[Part] = [_text(said)] if isinstance(said, str) else []
        self._choices: dict[int, _Choice] = {}

    def add(self, value: Any) -> None:
        """Add an answer, or one chunk of it."""
        fields = fields_of(value)
        for place, item in enumerate(_listed(fields.get("choices"), MOST_PARTS)):
            choice = every_field_of(item)
            # A chunk of a text completion has the finish reason outside its choice.
            reason = choice.get("finish_reason") or fields.get("finish_reason")
            _kept(self._choices, index_of(choice, place), _Choice).add(choice, reason)
        if isinstance(text := fields.get("text"), str) and "choices" not in fields:
            _kept(self._choices, 0, _Choice).text.add(text)
        for place, item in enumerate(_listed(fields.get("data"), MOST_PARTS)):
            image = fields_of(item)
            made = image.get("url") or image.get("b64_json")
            if isinstance(made, str):
                index = index_of(image, place)
                _kept(self._choices, index, _Choice).attach(reference(made, "image"))

    def outputs(self) -> list[Message]:
        """Return the answers so far, one message for each choice."""
        return [choice.message() for _, choice in sorted(self._choices.items())]


def _inputs(operation: str, body: Mapping[str, Any]) -> list[Message]:
    if operation == "chat":
        said = body.get("messages", body.get("input"))
        if isinstance(said, str):
            said = [{"content": said}]
        if not isinstance(said, (list, tuple)):
            return []
        kept = said if len(said) <= MOST_MESSAGES else [said[0], *said[1 - MOST_MESSAGES :]]
        return [_message(message) for message in kept]
    prompt = body.get(_PROMPTS.get(operation, ""))
    texts = [prompt] if isinstance(prompt, str) else _listed(prompt, MOST_MESSAGES)
    messages: list[Message] = [
        {"role": "user", "parts": [_text(text)]} for text in texts if isinstance(text, str)
    ]
    if media := media_given(body)[:MOST_PARTS]:
        messages = messages or [{"role": "user", "parts": []}]
        messages[-1]["parts"] += media
    return messages


def _tool(tool: Any) -> dict[str, Any]:
    fields = fields_of(tool)
    function = fields_of(fields.get("function")) or fields
    kind = _word(fields.get("type"), "function")
    made: dict[str, Any] = {"type": kind, "name": _word(function.get("name"), kind)}
    for name, of in (("description", str), ("parameters", dict)):
        if isinstance(value := function.get(name), of):
            made[name] = value
    return made
