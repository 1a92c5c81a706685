"""Spans of the contract, and exceptions recorded without what they must not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from together_otel.names import (
    CLIENT_INIT_SPAN,
    EXCEPTION_EVENT,
    EXCEPTION_MESSAGE,
    EXCEPTION_STACKTRACE,
    EXCEPTION_TYPE,
    OPERATION,
    PROVIDER,
    PROVIDER_NAME,
    REQUEST_MODEL,
    SERVER_ADDRESS,
    SERVER_PORT,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.keys import RedactedException


def start_call(
    tracer: Tracer,
    operation: str,
    model: str | None,
    server: tuple[str | None, int | None],
    attributes: Mapping[str, Any],
) -> Span:
    """Start the CLIENT span of one request, with all that is known for samplers to see."""
    known: dict[str, Any] = {OPERATION: operation, PROVIDER_NAME: PROVIDER, **attributes}
    if model is not None:
        known[REQUEST_MODEL] = model
    host, port = server
    if host is not None:
        known[SERVER_ADDRESS] = host
        if port is not None:
            known[SERVER_PORT] = port
    name = operation if model is None else f"{operation} {model}"
    return tracer.start_span(name, kind=SpanKind.CLIENT, attributes=known)


def start_client_init(tracer: Tracer, started: int, attributes: Mapping[str, Any]) -> Span:
    """Start the INTERNAL span of a constructor that began at ``started``, Unix nanoseconds."""
    return tracer.start_span(
        CLIENT_INIT_SPAN, kind=SpanKind.INTERNAL, start_time=started, attributes=dict(attributes)
    )


def fail(span: Span, exception: RedactedException) -> None:
    """Give a span that is recorded its error: status and exception, both redacted."""
    span.set_status(Status(StatusCode.ERROR, exception.message))
    span.add_event(
        EXCEPTION_EVENT,
        {
            EXCEPTION_TYPE: exception.type,
            EXCEPTION_MESSAGE: exception.message,
            EXCEPTION_STACKTRACE: exception.stacktrace,
        },
    )
