"""Spans of the contract, and exceptions recorded without what they must not say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from together_otel import names
from together_otel.telemetry import attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from together_otel.clients.base import Request
    from together_otel.keys import KnownKeys, RedactedException
    from together_otel.telemetry.attributes import Attributes

_GENAI: Final = "gen_ai."
_OPENINFERENCE_KIND: Final = "openinference.span.kind"
_SET_ATTRIBUTES: Final = RecordedSpan.set_attributes
_OF_CALLS: Final = ("LLM", "EMBEDDING")
"""The kinds of spans that OpenInference makes of a call of a model."""


_MOST = 1024
_starts: dict[tuple[Any, ...], tuple[str, dict[str, Any]]] = {}
"""Operation, model, server, library, keys looked for → name of the span, and attributes of all such ones.

Only where they are told as they are: nothing here is to keep a key.
"""


def start_call(
    tracer: Tracer, request: Request, library: str, secrets: KnownKeys, context: Context
) -> Span:
    """Start the CLIENT span of one request, with all that is known for samplers to see.

    Args:
        tracer: whose span it is.
        request: what is asked.
        library: whose client it is.
        secrets: keys known to be involved.
        context: whose span is its parent.
    """
    place = (
        request.operation,
        request.model,
        request.host,
        request.port,
        library,
        secrets.identity,
    )
    name, known = _starts.get(place) or _start(request, library, secrets, place)
    if request.attributes:
        known = known | attributes.clean(request.attributes, secrets)
    else:
        known = known.copy()  # a sampler may do with it what it likes
    return tracer.start_span(name, context, SpanKind.CLIENT, known)


def _start(
    request: Request, library: str, secrets: KnownKeys, place: tuple[Any, ...]
) -> tuple[str, dict[str, Any]]:
    found: dict[str, Any] = {
        names.OPERATION: request.operation,
        names.PROVIDER_NAME: names.PROVIDER,
        names.CLIENT_LIBRARY: library,
    }
    if request.model is not None:
        found[names.REQUEST_MODEL] = request.model
    if request.host is not None:
        attributes.add_server(found, request.host, request.port)
    known = attributes.clean(found, secrets)
    model = known.get(names.REQUEST_MODEL)
    start = request.operation if model is None else f"{request.operation} {model}", known
    if known == found:
        if len(_starts) >= _MOST:
            _starts.clear()
        _starts[place] = start
    return start


def start_beside(tracer: Tracer, library: str, context: Context) -> Span:
    """Start the INTERNAL span of a call that another instrumentation's GenAI span is of."""
    known = {names.CLIENT_LIBRARY: library}
    return tracer.start_span(names.CALL_SPAN, context, SpanKind.INTERNAL, known)


def is_of_another(span: object, operation: str) -> bool:
    """Return whether another instrumentation has made a span of a call: a GenAI span, no agent's.

    Args:
        span: the one that is current.
        operation: of the call.
    """
    scope = getattr(span, "instrumentation_scope", None)
    if scope is None or scope.name == names.SCOPE:
        return False
    found = getattr(span, "attributes", None) or {}
    # OpenInference keeps it until the span's end.
    kind = getattr(span, "_self_important_attributes", found).get(_OPENINFERENCE_KIND)
    return found.get(names.OPERATION) == operation or kind in _OF_CALLS


def without_genai(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a call's attributes no other instrumentation knows."""
    return {name: value for name, value in found.items() if not name.startswith(_GENAI)}


def start_client_init(tracer: Tracer, started: int, found: Mapping[str, Any]) -> Span:
    """Start the INTERNAL span of a constructor that began at ``started``, Unix nanoseconds."""
    return tracer.start_span(
        names.CLIENT_INIT_SPAN, kind=SpanKind.INTERNAL, start_time=started, attributes=dict(found)
    )


def set_clean(span: Any, found: Attributes) -> None:
    """Give a span that is recorded attributes that are clean.

    OpenTelemetry's own would look at each once more, which costs as much as all that finds them.
    There is no public way.
    """
    kept = getattr(span, "_attributes", None)
    if (
        type(kept) is BoundedAttributes
        and kept.max_value_len is None
        and (kept.maxlen is None or len(kept._dict) + len(found) <= kept.maxlen)  # noqa: SLF001
        and getattr(span.set_attributes, "__func__", None) is _SET_ATTRIBUTES
    ):
        with span._lock, kept._lock:  # noqa: SLF001
            if span.is_recording():
                kept._dict.update(found)  # noqa: SLF001
                return
    span.set_attributes(found)


def finish(
    span: Span,
    found: Attributes,
    error_type: str | None,
    exception: RedactedException | None,
) -> None:
    """Give a span its last attributes and, where it failed, its status and exception.

    Args:
        span: a span that is recorded.
        found: attributes, clean.
        error_type: of a failure; ``None`` where there is none.
        exception: what may be told of the exception that it failed with.
    """
    set_clean(span, found)
    if exception is not None:
        fail(span, exception)
    elif error_type is not None:
        span.set_status(Status(StatusCode.ERROR, error_type))


def fail(span: Span, exception: RedactedException) -> None:
    """Give a span that is recorded its error: status and exception, both redacted."""
    span.set_status(Status(StatusCode.ERROR, exception.message))
    span.add_event(
        names.EXCEPTION_EVENT,
        {
            names.EXCEPTION_TYPE: exception.type,
            names.EXCEPTION_MESSAGE: exception.message,
            names.EXCEPTION_STACKTRACE: exception.stacktrace,
        },
    )


def end(span: Span, ago: float) -> None:
    """End a span; ``ago`` is how many seconds since what it stands for ended."""
    span.end(time.time_ns() - int(ago * 1e9) if ago else None)
