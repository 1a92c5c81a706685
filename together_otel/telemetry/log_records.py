"""LogRecords of the events, for backends, emitted through OpenTelemetry's logs API.

OpenTelemetry's logging handlers are patched to ignore the log lines of events that were emitted as
LogRecords, and debug logs of libraries that log keys.
"""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger_provider
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    INVALID_SPAN,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from together_otel.guard import swallowed
from together_otel.names import SCOPE
from together_otel.plain import clocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Scope = tuple[str, str, str]

_SEVERITIES: Final = {
    logging.DEBUG: (SeverityNumber.DEBUG, "DEBUG"),
    logging.INFO: (SeverityNumber.INFO, "INFO"),
    logging.WARNING: (SeverityNumber.WARN, "WARN"),
    logging.ERROR: (SeverityNumber.ERROR, "ERROR"),
}

SERVED: Final = "_together_otel_served"
"""Attribute of a ``logging.LogRecord`` whose event was emitted as OpenTelemetry's LogRecord."""

_SDK: Final = "opentelemetry.sdk._logs"
_HANDLERS: Final = (_SDK, "opentelemetry.instrumentation.logging.handler")
"""Modules with a ``LoggingHandler`` in older and in newer releases of OpenTelemetry."""

_NO_SPAN: Final = set_span_in_context(INVALID_SPAN, Context())

_NO_OP: Final = "opentelemetry._logs"
"""Package of the classes that OpenTelemetry uses before a provider is set."""

_SHOW_KEYS: Final = frozenset({"together", "openai", "httpx", "httpcore", "hpack", "websockets"})
"""Packages whose debug logs contain the headers of requests."""


class Records:
    """Emits each LogRecord once to every logger provider, in the instrumentation scope `scope`."""

    def __init__(self) -> None:
        self.scope: Scope = (SCOPE, "", "")
        self._given: dict[object, LoggerProvider | None] = {}

    def send_to(self, provider: LoggerProvider | None) -> Callable[[], object]:
        """Emit to a provider from now on; return a function that undoes it.

        ``None`` stands for the global provider, whenever that is set.
        """
        entry = object()
        self._given[entry] = provider
        return partial(self._given.pop, entry, None)

    def emit(self, name: str, level: int, body: str, attributes: Mapping[str, Any]) -> bool:
        """Emit one LogRecord in the current trace context; return whether any provider is set.

        ``level`` is one of Python's logging. The attributes may have any structure, without
        secrets.
        """
        number, text = _SEVERITIES[level]
        context, served = _current(), False
        for provider in {id(one): one for one in self._found()}.values():
            record = LogRecord(
                timestamp=clocks.time_ns(),
                context=context,
                severity_number=number,
                severity_text=text,
                body=body,
                attributes=dict(attributes),
                event_name=name,
            )
            if hasattr(sys.modules.get(_SDK), "LogRecord"):
                # Before 1.39, the SDK copies it with ids of the context, and warns of other ids.
                record.trace_id, record.span_id, record.trace_flags = 0, 0, TraceFlags()
            provider.get_logger(*self.scope).emit(record)
            served = served or _is_set(provider)
        return served

    def are_taken(self) -> bool:
        """Return whether any provider is set."""
        return any(map(_is_set, self._found()))

    def _found(self) -> list[LoggerProvider]:
        given = list(self._given.values())
        return [get_logger_provider() if one is None else one for one in given]


def _current() -> Context:
    """Return the current context, or one without a span if its span is not OpenTelemetry's."""
    with swallowed:
        found = get_current()
        if isinstance(get_current_span(found).get_span_context(), SpanContext):
            return found or _NO_SPAN
    return _NO_SPAN


def _is_set(provider: LoggerProvider) -> bool:
    return not type(provider).__module__.startswith(_NO_OP)


RECORDS: Final = Records()
"""The instance of this process."""


def silence_handlers() -> Callable[[], None]:
    """Patch OpenTelemetry's handlers to ignore some records; return a function that undoes it."""
    undoings = ExitStack()
    for kind in {_handler_in(module) for module in _HANDLERS} - {None}:
        undoings.callback(_silence(kind))
    return undoings.close


def _handler_in(module: str) -> type[logging.Handler] | None:
    try:
        return getattr(import_module(module), "LoggingHandler", None)
    except Exception:  # noqa: BLE001 - a module that is missing or broken has no handler
        return None


def _silence(kind: Any) -> Callable[[], None]:
    own, original = "handle" in vars(kind), kind.handle

    def handle(self: logging.Handler, record: logging.LogRecord) -> Any:
        return not _is_withheld(record) and original(self, record)

    kind.handle = handle

    def undo() -> None:
        if vars(kind).get("handle") is handle:
            if own:
                kind.handle = original
            else:
                del kind.handle

    return undo


def _is_withheld(record: logging.LogRecord) -> bool:
    if record.levelno < logging.INFO and record.name.partition(".")[0] in _SHOW_KEYS:
        return True
    return vars(record).get(SERVED, False) is True
