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


def ratelimits(headers: Any) -> dict[str, float]:
    """Return what the ``x-ratelimit-*`` headers of an answer say, where they are numbers."""
    found = {}
    for name in names.RATELIMITS:
        with suppress(TypeError, ValueError):
            found[name] = float(headers.get(f"x-ratelimit-{name}"))
    return found


def _get(value: Any, name: str) -> Any:
    # dict, not Mapping: this runs for every chunk, and the SDKs parse JSON into nothing else.
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of an object, those its model does not declare as well."""
    if isinstance(value, dict):
        return value
    return {**getattr(value, "__dict__", {}), **(getattr(value, "model_extra", None) or {})}


def add_result(value: Any, result: Result) -> None:
    """Add to ``result`` what a response object or one chunk says: last word wins."""
    if (model := _get(value, "model")) and isinstance(model, str):
        result.model = model
    if (identifier := _get(value, "id")) and isinstance(identifier, str):
        result.id = identifier
    choices = _get(value, "choices")
    if isinstance(choices, (list, tuple)):
        for choice in choices:
            reason = _get(choice, "finish_reason")
            if reason is not None:
                text = getattr(reason, "value", reason)
                result.finish_reasons = (*result.finish_reasons, str(text))
    usage = _get(value, "usage")
    if usage is not None:
        fields = _fields(usage)
        inputs = _fields(fields.get("prompt_tokens_details"))
        outputs = _fields(fields.get("completion_tokens_details"))
        result.usage = Usage(
            integer(fields.get("prompt_tokens")),
            integer(fields.get("completion_tokens")),
            _first(fields.get("cached_tokens"), inputs.get("cached_tokens")),
            _first(fields.get("reasoning_tokens"), outputs.get("reasoning_tokens")),
        )


def _first(*values: Any) -> int | None:
    return next((found for value in values if (found := integer(value)) is not None), None)
