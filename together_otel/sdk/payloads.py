"""Request and response bodies → attributes and token counts; the same in every generation.

A body is read, never consumed: iterators that a caller passes stay untouched. Names follow
the OpenTelemetry GenAI semantic conventions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from together_otel.sdk.calls import Usage
from together_otel.sdk.refusals import integer

if TYPE_CHECKING:
    from together_otel.sdk.calls import Result

_NUMBERS = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}


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
    count = body.get("n")
    if isinstance(count, int) and count != 1:
        attributes["gen_ai.request.choice.count"] = count
    stop = body.get("stop")
    if isinstance(stop, str):
        stop = [stop]
    if isinstance(stop, (list, tuple)) and stop and all(isinstance(text, str) for text in stop):
        attributes["gen_ai.request.stop_sequences"] = tuple(stop)
    return model if isinstance(model, str) else None, attributes


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


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
        result.usage = Usage(
            integer(_get(usage, "prompt_tokens")), integer(_get(usage, "completion_tokens"))
        )
