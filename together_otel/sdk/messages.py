"""What was said in a call, from request and answer to the conventions' JSON; keys and all.

Shapes follow the JSON schemas of the OpenTelemetry GenAI semantic conventions: a message is
``{"role", "parts"}``, a part ``{"type", …}``. Images, audio and video are told by reference:
their URL, or a digest where they were sent inline. Iterators are left alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from together_otel.keys import MARK
from together_otel.sdk.fields import every_field_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Part = dict[str, Any]
Message = dict[str, Any]

MOST_MESSAGES: Final = 128
"""Messages of a request that are told: the first, which is often the system's, and the last."""

MOST_PARTS: Final = 64
"""Parts of a message, choices of an answer, tools of a request that are told."""

_PROMPTS: Final = {
    "text_completion": "prompt",
    "image_generation": "prompt",
    "video_generation": "prompt",
    "speech": "input",
}
"""Operations whose input is one text → the field that holds it."""

_TRANSCRIPTS: Final = ("transcription", "translation")

OPERATIONS: Final = frozenset({"chat", *_PROMPTS, *_TRANSCRIPTS})
"""Operations that have messages."""

_SIGNATURES: Final = frozenset(
    {
        "awsaccesskeyid",
        "sig",
        "signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    }
)
"""Query parameters by which a URL lets its bearer in: those that OpenTelemetry's conventions
for ``url.full`` redact, and their successors."""

_FINISH: Final = {"tool_calls": "tool_call", "function_call": "tool_call", "eos": "stop"}
"""Together's finish reasons → the schema's, where they differ."""


def reference(url: object, modality: str) -> Part:
    """Return the part for an image, audio or video: by its URL, or by digest if it is inline."""
    part: Part = {"type": "uri", "modality": modality}
    if not isinstance(url, str):
        return part
    if url.startswith("data:"):
        header, _, data = url[len("data:") :].partition(",")
        if mime_type := header.partition(";")[0]:
            part["mime_type"] = mime_type
        return part | {"uri": _digest(data)}
    return part | {"uri": _without_signature(url)}


def _digest(data: str) -> str:
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        content = data.encode("utf-8", "surrogatepass")
    return f"urn:sha256:{hashlib.sha256(content).hexdigest()}"


def _without_signature(url: str) -> str:
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url
    if all(name.lower() not in _SIGNATURES for name, _ in query):
        return url
    kept = [(name, MARK if name.lower() in _SIGNATURES else value) for name, value in query]
    return urlunsplit(parts._replace(query=urlencode(kept, safe="[]")))


def _text(text: str) -> Part:
    return {"type": "text", "content": text}


def _listed(value: Any, most: int) -> list[Any]:
    """Return a list's first items; nothing of an iterator, which reading would consume."""
    return list(value[:most]) if isinstance(value, (list, tuple)) else []


def _content(value: Any) -> list[Part]:
    if isinstance(value, str):
        return [_text(value)] if value else []
    return [part for item in _listed(value, MOST_PARTS) if (part := _part(fields_of(item)))]


def _part(item: Mapping[str, Any]) -> Part | None:
    kind = item.get("type")
    if not isinstance(kind, str):
        return None
    inner = fields_of(item.get(kind))
    if kind == "text":
        return _text(str(item.get("text", "")))
    if kind == "input_audio":
        sound = {"type": "uri", "modality": "audio"}
        if isinstance(data := inner.get("data"), str):
            sound["uri"] = _digest(data)
        if isinstance(form := inner.get("format"), str):
            sound["mime_type"] = f"audio/{form}"
        return sound
    if kind.endswith("_url"):
        return reference(inner.get("url", item.get(kind)), kind.removesuffix("_url"))
    return {"type": kind}


def _tool_call(call: Any) -> Part:
    fields = fields_of(call)
    function = fields_of(fields.get("function"))
    return _called(fields.get("id"), function.get("name"), function.get("arguments"))


def _called(identifier: Any, name: Any, arguments: Any) -> Part:
    if isinstance(arguments, str):
        # What a model wrote need not be JSON: it is told as it is then.
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    part: Part = {"type": "tool_call", "name": str(name or "")}
    if isinstance(identifier, str):
        part["id"] = identifier
    if arguments is not None:
        part["arguments"] = arguments
    return part


def _message(value: Any) -> Message:
    fields = every_field_of(value)
    role = str(fields.get("role", "user"))
    content = fields.get("content")
    parts: list[Part]
    if role == "tool":
        answered: Part = {"type": "tool_call_response", "response": content}
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
class Choice:
    """One answer of the model, gathered whole or piece by piece."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tool_calls: dict[int, list[Any]] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, choice: Mapping[str, Any]) -> None:
        """Add a choice of a whole answer or of a chunk."""
        said = every_field_of(choice.get("message") or choice.get("delta"))
        content = said.get("content")
        if isinstance(content, list):
            self.parts += _content(content)
        elif isinstance(content or choice.get("text"), str):
            self.text.append(content or choice["text"])
        reasoning = said.get("reasoning") or said.get("reasoning_content")
        if isinstance(reasoning, str):
            self.reasoning.append(reasoning)
        for place, call in enumerate(_listed(said.get("tool_calls"), MOST_PARTS)):
            self._call(place, fields_of(call))
        if (reason := choice.get("finish_reason")) is not None:
            word = str(getattr(reason, "value", reason))
            self.finish_reason = _FINISH.get(word, word)

    def _call(self, place: int, call: Mapping[str, Any]) -> None:
        # In a stream a call's arguments come in pieces, told together by their index.
        index = call.get("index")
        gathered = self.tool_calls.setdefault(
            index if isinstance(index, int) else place, [None, None, ""]
        )
        function = fields_of(call.get("function"))
        gathered[0] = call.get("id") or gathered[0]
        gathered[1] = function.get("name") or gathered[1]
        if isinstance(piece := function.get("arguments"), str):
            gathered[2] += piece
        elif piece is not None:
            gathered[2] = piece

    def message(self) -> Message:
        """Return it as a message."""
        parts: list[Part] = []
        if self.reasoning:
            parts.append({"type": "reasoning", "content": "".join(self.reasoning)})
        if self.text:
            parts.append(_text("".join(self.text)))
        parts += self.parts
        parts += [_called(*call) for call in self.tool_calls.values()]
        message: Message = {"role": "assistant", "parts": parts}
        if self.finish_reason is not None:
            message["finish_reason"] = self.finish_reason
        return message


class Messages:
    """What was said in one call.

    Args:
        operation: one of `OPERATIONS`.
        body: the request's body.
    """

    def __init__(self, operation: str, body: Mapping[str, Any]) -> None:
        self.inputs = _inputs(operation, body)
        self.tools = [_tool(tool) for tool in _listed(body.get("tools"), MOST_PARTS)]
        self.instructions: list[Part] = []
        if operation in _TRANSCRIPTS and isinstance(prompt := body.get("prompt"), str):
            self.instructions = [_text(prompt)]
        self._choices: dict[int, Choice] = {}

    def add(self, value: Any) -> None:
        """Add an answer, or one chunk of it."""
        fields = fields_of(value)
        for place, item in enumerate(_listed(fields.get("choices"), MOST_PARTS)):
            choice = fields_of(item)
            index = choice.get("index")
            self._choice(index if isinstance(index, int) else place).add(choice)
        if isinstance(text := fields.get("text"), str) and "choices" not in fields:
            self._choice(0).text.append(text)
        for place, item in enumerate(_listed(fields.get("data"), MOST_PARTS)):
            image = fields_of(item)
            if isinstance(url := image.get("url"), str):
                self._choice(place).parts.append(reference(url, "image"))
            elif isinstance(data := image.get("b64_json"), str):
                self._choice(place).parts.append(reference(f"data:;base64,{data}", "image"))

    def _choice(self, index: int) -> Choice:
        return self._choices.setdefault(index, Choice())

    def outputs(self) -> list[Message]:
        """Return the model's answers so far, one message a choice."""
        return [choice.message() for _, choice in sorted(self._choices.items())]


def _inputs(operation: str, body: Mapping[str, Any]) -> list[Message]:
    if operation == "chat":
        said = body.get("messages")
        if not isinstance(said, (list, tuple)):
            return []
        kept = said if len(said) <= MOST_MESSAGES else [said[0], *said[1 - MOST_MESSAGES :]]
        return [_message(message) for message in kept]
    prompt = body.get(_PROMPTS.get(operation, ""))
    texts = [prompt] if isinstance(prompt, str) else _listed(prompt, MOST_MESSAGES)
    messages: list[Message] = [
        {"role": "user", "parts": [_text(text)]} for text in texts if isinstance(text, str)
    ]
    if messages and isinstance(url := body.get("image_url"), str):
        messages[-1]["parts"].append(reference(url, "image"))
    return messages


def _tool(tool: Any) -> dict[str, Any]:
    fields = fields_of(tool)
    function = fields_of(fields.get("function"))
    told: dict[str, Any] = {"type": str(fields.get("type", "function"))}
    for name in ("name", "description", "parameters"):
        value = function.get(name, fields.get(name))
        if value is not None:
            told[name] = value
    return told
