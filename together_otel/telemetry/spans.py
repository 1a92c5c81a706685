"""Spans of calls and constructors, with redacted exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from together_otel import names
from together_otel.plain import clocks
from together_otel.plain.bounded import Bounded
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
_OF_CALLS: Final = ("LLM", "EMBEDDING")  # OpenInference's kinds of spans for a call of a model
_REQUEST_TYPES: Final = ("gen_ai.request.type", "llm.request.type")
"""Set by agentops and by older releases of traceloop in place of an operation."""

_starts: Bounded[tuple[Any, ...], tuple[str, dict[str, Any]]] = Bounded(1024)
"""Operation, model, server, library, identity of the known keys → the span's name and attributes.
Only values that redaction leaves unchanged are cached, so no key is kept here."""


def start_call(
    tracer: Tracer, request: Request, library: str, secrets: KnownKeys, context: Context
) -> Span:
    """Start the CLIENT span of one request, with all known attributes, which samplers may use.

    ``context`` contains the parent span.
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
        known = known.copy()  # a sampler may change it
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
        _starts[place] = start
    return start


def start_beside(tracer: Tracer, library: str, context: Context) -> Span:
    """Start the INTERNAL span of a call for which another instrumentation has a GenAI span."""
    known = {names.CLIENT_LIBRARY: library}
    return tracer.start_span(names.CALL_SPAN, context, SpanKind.INTERNAL, known)


def is_of_another(span: object, operation: str) -> bool:
    """Return whether a span is another instrumentation's GenAI span of the call, not an agent's."""
    scope = getattr(span, "instrumentation_scope", None)
    if scope is None or scope.name == names.SCOPE:
        return False
    found = getattr(span, "attributes", None) or {}
    # OpenInference sets the attribute only at the span's end.
    kind = getattr(span, "_self_important_attributes", found).get(_OPENINFERENCE_KIND)
    if found.get(names.OPERATION) == operation or kind in _OF_CALLS:
        return True
    return names.OPERATION not in found and any(name in found for name in _REQUEST_TYPES)


def without_genai(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's attributes without the GenAI ones, which other instrumentations set."""
    return {name: value for name, value in found.items() if not name.startswith(_GENAI)}


def start_client_init(tracer: Tracer, started: int, found: Mapping[str, Any]) -> Span:
    """Start the INTERNAL span of a constructor that began at ``started``, Unix nanoseconds."""
    return tracer.start_span(
        names.CLIENT_INIT_SPAN, kind=SpanKind.INTERNAL, start_time=started, attributes=dict(found)
    )


def set_clean(span: Any, found: Attributes) -> None:
    """Set redacted attributes on a recording span.

    ``set_attributes`` checks each value again, which takes as long as collecting all of them. This
    bypasses it if possible; there is no public API for that.
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
    span: Span, found: Attributes, error_type: str | None, exception: RedactedException | None
) -> None:
    """Set a recording span's last attributes and, if the call failed, status and exception."""
    set_clean(span, found)
    if exception is not None:
        span.set_status(Status(StatusCode.ERROR, exception.message))
        about = {
            names.EXCEPTION_TYPE: exception.type,
            names.EXCEPTION_MESSAGE: exception.message,
            names.EXCEPTION_STACKTRACE: exception.stacktrace,
        }
        span.add_event(names.EXCEPTION_EVENT, about)
    elif error_type is not None:
        span.set_status(Status(StatusCode.ERROR, error_type))


def end(span: Span, ago: float) -> None:
    """End a span whose call ended ``ago`` seconds ago."""
    span.end(clocks.time_ns() - int(ago * 1e9) if ago else None)
