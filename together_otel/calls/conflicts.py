"""Detection of other instrumentations of the SDK, which report each request a second time."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # not in its __all__ under strict
    BaseInstrumentor,
)

from together_otel.guard import warn
from together_otel.names import SCOPE

_log = logging.getLogger(f"{SCOPE}.instrumentor")

_OURS = "together_otel"
_SDK = "together"

_PATCHED = (
    ("together", "Together", "__init__"),
    ("together._base_client", "SyncAPIClient", "request"),
    ("together.resources.chat.completions", "CompletionsResource", "create"),
    ("together.resources.chat.completions", "ChatCompletions", "create"),
)
"""What instrumentations patch: the constructor, the common request method, or a chat method."""

_WORDS = (
    *("instrument", "langfuse", "logfire", "openinference", "openlit"),
    *("otel", "respan", "telemetry", "trac", "weave"),
)
"""Words in the module names of instrumentations; an application may patch for other reasons."""


def warn_of_conflicts(known: set[str]) -> None:
    """Log a warning for each active instrumentation that is not known yet, and add it to these."""
    for name in sorted({*_instrumentors(), *_patchers()} - known):
        known.add(name)
        warn(
            _log,
            "%s also instruments Together's SDK. Each call has two spans, or a child span of "
            "together_otel's if the other span is current. Both count the call, and the other "
            "one's exceptions may contain the API key.",
            name,
        )


def _instrumentors() -> Iterator[str]:
    """Yield the modules of active OpenTelemetry instrumentors of the SDK."""
    waiting = list(BaseInstrumentor.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        module = cls.__module__
        if _SDK not in f"{module}.{cls.__name__}".lower() or _is(module, _OURS):
            continue
        if getattr(cls._instance, "is_instrumented_by_opentelemetry", False):
            yield module


def _patchers() -> Iterator[str]:
    """Yield the modules of instrumentations whose functions replace the SDK's."""
    for module, class_name, name in _PATCHED:
        owner = getattr(sys.modules.get(module), "__dict__", {}).get(class_name)
        found = getattr(owner, "__dict__", {}).get(name)
        for layer in _layers(found):
            where = _module_of(layer)
            if any(word in where for word in _WORDS) and not _is(where, _OURS):
                yield where


def _layers(found: Any) -> Iterator[Any]:
    while isinstance(found, wrapt.ObjectProxy):
        yield getattr(found, "_self_wrapper", None)
        found = found.__wrapped__
    yield found


def _module_of(layer: Any) -> str:
    function = getattr(layer, "__func__", layer)
    # Not __module__, which functools.wraps copies from the wrapped function.
    names = getattr(function, "__globals__", {"__name__": type(layer).__module__})
    return str(names.get("__name__", "")).partition("._")[0]


def _is(module: str, package: str) -> bool:
    return module.partition(".")[0] == package
