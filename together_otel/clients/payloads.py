"""Attributes and token counts of request and response bodies, for every generation of the SDK.

Iterators that a caller passes are not consumed. Names follow the OpenTelemetry GenAI semantic
conventions.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf, isfinite
from typing import Any

from together_otel import names
from together_otel.clients.base import MOST_CHOICES, Request, Result, Usage, blank
from together_otel.clients.failures import BITS, integer
from together_otel.clients.fields import NO_REASON, NOTHING, every_field_of, fields_of, index_of
from together_otel.clients.responses import as_completion

_DOUBLES = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_INTEGERS = ("max_tokens", "seed", "top_k")
RATELIMIT_HEADERS = {name: f"x-ratelimit-{name}" for name in names.RATELIMITS}
RATELIMIT_NAMES = frozenset(RATELIMIT_HEADERS.values())
_COUNTS = range(2**31)
"""Token counts that need no further check."""
_DIGITS = 15
"""Maximum digits of a number in an answer: 16 may be eight characters of a key, in hexadecimal."""
_FORMATS = {"json_object": "json", "json_schema": "json", "json": "json", "text": "text"}
_OUTPUTS = {"image_generation": "image", "speech": "speech", "video_generation": "video"}
"""Operations with a single output type → that type."""


def described(operation: str, host: str | None, port: int | None, body: object) -> Request:
    """Return the request of an operation with a JSON body, without attributes for absent fields."""
    if type(body) is not dict and not isinstance(body, Mapping):
        return Request(operation, host, port)
    attributes: dict[str, Any] = {}
    # A tuple of the names: the caller may change the body in another thread.
    for field in tuple(body):
        if field in _FIELDS:
            attribute, made = _FIELDS[field]
            value = made(body.get(field))
            if value is not None:
                attributes[attribute] = value
    if operation in _OUTPUTS:
        attributes[names.OUTPUT_TYPE] = _OUTPUTS[operation]
    request = blank(Request)
    request.operation, request.host, request.port = operation, host, port
    request.attributes, request.body = attributes, body
    if isinstance(model := body.get("model"), str) and model:
        request.model = model
    return request


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    with suppress(OverflowError):
        number = float(value)
        return number if isfinite(number) else None
    return None


def _integer(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_one = isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < BITS
    return value if is_one else None


def _count(value: Any) -> int | None:
    number = _integer(value)
    return None if number == 1 else number


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, (list, tuple)) and texts and all(isinstance(text, str) for text in texts):
        return tuple(texts)
    return None


def _format(value: Any) -> str | None:
    return _FORMATS.get(str(value.get("type"))) if isinstance(value, Mapping) else None


_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    **{field: (f"gen_ai.request.{field}", _double) for field in _DOUBLES},
    **{field: (f"gen_ai.request.{field}", _integer) for field in _INTEGERS},
    "max_output_tokens": ("gen_ai.request.max_tokens", _integer),
    "stream": (names.REQUEST_STREAM, lambda value: True if value is True else None),
    "n": (names.CHOICE_COUNT, _count),
    "stop": (names.STOP_SEQUENCES, _texts),
    "reasoning_effort": (names.REASONING_LEVEL, _text),
    "reasoning": (names.REASONING_LEVEL, lambda value: _text(fields_of(value).get("effort"))),
    "previous_response_id": (names.PREVIOUS_RESPONSE, _text),
    "conversation": (
        names.CONVERSATION,
        lambda value: _text(fields_of(value).get("id", value)),
    ),
    "response_format": (names.OUTPUT_TYPE, _format),
    "text": (names.OUTPUT_TYPE, lambda value: _format(fields_of(value).get("format"))),
    "encoding_format": (
        names.ENCODING_FORMATS,
        lambda value: _texts(value) if isinstance(value, str) else None,
    ),
    "dimensions": (names.DIMENSION_COUNT, _integer),
}
"""Field of a body → its attribute and the conversion, which returns ``None`` for no attribute."""


def ratelimits(header: Callable[[str], str | None]) -> dict[str, float]:
    """Return the numeric ``x-ratelimit-*`` headers of an answer, by the last part of their names."""
    found = {}
    for name, source in RATELIMIT_HEADERS.items():
        value = header(source)
        if value is not None and len(value) <= _DIGITS:
            with suppress(ValueError):
                number = float(value)
                if 0 <= number < inf:
                    found[name] = number
    return found


def add_result(value: Any, result: Result) -> None:
    """Add the data of a response object, or of one chunk of a stream, to ``result``.

    Model and id are those of the first chunk with an id, the usage is that of the last.
    """
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)
    # The SDK does not declare the model of text completions' chunks and the usage of embeddings.
    if "model" not in fields or "usage" not in fields:
        fields = every_field_of(value)
    if "choices" not in fields and (made := as_completion(fields)) is not None:
        fields = value = made
    if result.id is None:
        model = fields.get("model")
        identifier = fields.get("id")
        if isinstance(model, str):
            result.model = model
        if isinstance(identifier, str):
            result.id = identifier
    if (choices := fields.get("choices")) and isinstance(choices, (list, tuple)):
        # A chunk of a text completion has the finish reason outside its choice.
        _add_reasons(choices, fields.get("finish_reason"), result)
    usage = fields.get("usage")
    if usage is not None:
        result.usage = _usage(usage)
    if result.messages is not None:
        result.messages.add(value)


def _add_reasons(choices: Sequence[Any], own: object, result: Result) -> None:
    if (reasons := result.reasons) is None:
        reasons = result.reasons = {}
    for place, choice in enumerate(choices[:MOST_CHOICES]):
        said = choice if isinstance(choice, dict) else getattr(choice, "__dict__", NOTHING)
        at = said.get("index")
        if type(at) is not int:
            at = index_of(said, place)
        if reason := said.get("finish_reason") or own:
            reasons[at] = reason if type(reason) is str else str(getattr(reason, "value", reason))
        elif at not in reasons:
            reasons[at] = NO_REASON


def _usage(usage: Any) -> Usage:
    # The SDK does not declare cached and reasoning tokens.
    fields = usage if isinstance(usage, dict) else getattr(usage, "__dict__", NOTHING)
    if extra := getattr(usage, "__pydantic_extra__", None):
        fields = {**fields, **extra}
    cached, reasoning = fields.get("cached_tokens"), fields.get("reasoning_tokens")
    if cached is None and (details := fields.get("prompt_tokens_details")):
        cached = fields_of(details).get("cached_tokens")
    if reasoning is None and (details := fields.get("completion_tokens_details")):
        reasoning = fields_of(details).get("reasoning_tokens")
    asked, answered = fields.get("prompt_tokens"), fields.get("completion_tokens")
    counts = (
        asked if type(asked) is int and asked in _COUNTS else _tokens(asked),
        answered if type(answered) is int and answered in _COUNTS else _tokens(answered),
        _tokens(cached) or None if cached else None,
        _tokens(reasoning) or None if reasoning else None,
    )
    return tuple.__new__(Usage, counts)  # faster than Usage(*counts)


def _tokens(value: Any) -> int | None:
    """Return a token count; ``None`` if it is invalid or negative, as counters only increase."""
    number = None if isinstance(value, bool) else integer(value)
    return number if number is not None and 0 <= number < 10**_DIGITS else None
