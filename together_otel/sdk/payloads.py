"""Request and response bodies → attributes and token counts; the same in every generation.

A body is read, never consumed: iterators that a caller passes stay untouched. Names follow
the OpenTelemetry GenAI semantic conventions.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.sdk.calls import Usage
from together_otel.sdk.refusals import integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.sdk.calls import Result

_NUMBERS = {
    field: f"gen_ai.request.{field}"
    for field in (
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "frequency_penalty",
        "presence_penalty",
        "seed",
    )
}
_JSON = ("json_object", "json_schema", "json")


def request_attributes(body: object) -> tuple[str | None, dict[str, Any]]:
    """Return the model and the further request attributes of a JSON body.

    What the caller did not set is absent.
    """
    if not isinstance(body, Mapping):
        return None, {}
    model = body.get("model")
    attributes: dict[str, Any] = {}
    for field, attribute in _NUMBERS.items():
        value = body.get(field)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            attributes[attribute] = value
    if body.get("stream") is True:
        attributes[names.REQUEST_STREAM] = True
    count = body.get("n")
    if isinstance(count, int) and count != 1:
        attributes[names.CHOICE_COUNT] = count
    stop = body.get("stop")
    if isinstance(stop, str):
        stop = [stop]
    if isinstance(stop, (list, tuple)) and stop and all(isinstance(text, str) for text in stop):
        attributes[names.STOP_SEQUENCES] = tuple(stop)
    _formats(body, attributes)
    return model if isinstance(model, str) else None, attributes


def _formats(body: Mapping[str, Any], attributes: dict[str, Any]) -> None:
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") in _JSON:
        attributes[names.OUTPUT_TYPE] = "json"
    encoding = body.get("encoding_format")
    if isinstance(encoding, str):
        attributes[names.ENCODING_FORMATS] = (encoding,)
    dimensions = body.get("dimensions")
    if isinstance(dimensions, int):
        attributes[names.DIMENSION_COUNT] = dimensions


def ratelimits(header: Callable[[str], str | None]) -> dict[str, float]:
    """Return what the ``x-ratelimit-*`` headers of an answer say, where they are numbers.

    Args:
        header: returns the header of a lower-case name, or ``None``.
    """
    found = {}
    for name in names.RATELIMITS:
        value = header(f"x-ratelimit-{name}")
        if value is not None:
            with suppress(ValueError):
                found[name] = float(value)
    return found


def _fields(value: Any) -> dict[str, Any]:
    # dict, not Mapping, and no getattr: this runs for every chunk, and pydantic is slow to say
    # that there is no such attribute.
    return value if isinstance(value, dict) else getattr(value, "__dict__", _NOTHING)


_NOTHING: dict[str, Any] = {}


def add_result(value: Any, result: Result) -> None:
    """Add to ``result`` what a response object, or one chunk of a stream, says.

    Model and id are the first chunk's; the usage is the last one's.
    """
    fields = _fields(value)
    if result.id is None:
        model, identifier = fields.get("model"), fields.get("id")
        if isinstance(model, str):
            result.model = model
        if isinstance(identifier, str):
            result.id = identifier
    choices = fields.get("choices")
    if isinstance(choices, (list, tuple)):
        for choice in choices:
            reason = _fields(choice).get("finish_reason")
            if reason is not None:
                text = getattr(reason, "value", reason)
                result.finish_reasons = (*result.finish_reasons, str(text))
    usage = fields.get("usage")
    if usage is not None:
        result.usage = _usage(usage)


def _usage(usage: Any) -> Usage:
    # Cached and reasoning tokens come untyped: in what pydantic keeps beside a model's fields.
    fields = {**_fields(usage), **(getattr(usage, "model_extra", None) or {})}
    inputs = _fields(fields.get("prompt_tokens_details"))
    outputs = _fields(fields.get("completion_tokens_details"))
    return Usage(
        integer(fields.get("prompt_tokens")),
        integer(fields.get("completion_tokens")),
        _first(fields.get("cached_tokens"), inputs.get("cached_tokens")),
        _first(fields.get("reasoning_tokens"), outputs.get("reasoning_tokens")),
    )


def _first(*values: Any) -> int | None:
    return next((found for value in values if (found := integer(value)) is not None), None)
