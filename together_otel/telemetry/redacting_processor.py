"""What others would tell of a key: exceptions on their spans, the SDK's debug log in LogRecords.

An instrumentation of the HTTP client records the exception that a key unfit for a header
raises, key and all, on a span of its own. The application is to get that exception as it is,
so it is the telling that changes. Likewise the debug log, which shows headers that the caller
adds: it is printed as before, but becomes no LogRecord.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import Status

from together_otel.keys import redact, redact_exception
from together_otel.names import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    SecretsIn = Callable[["Context | None"], "Collection[str] | None"]

_veiled: WeakSet[Any] = WeakSet()
"""Providers that have a add_redacting_processor: OpenTelemetry cannot take a processor away again."""


class RedactingProcessor(SpanProcessor):
    """Redacts what spans inside a call are told of exceptions.

    Args:
        secrets_in: returns the keys that the call of a context is made with, and ``None``
            where there is no call.
    """

    def __init__(self, secrets_in: SecretsIn) -> None:
        self._secrets_in = secrets_in

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stand between a span inside a call and what is recorded on it."""
        secrets = self._secrets_in(parent_context)
        if secrets is None:
            return
        record_exception, set_status = span.record_exception, span.set_status

        def recorded(
            exception: BaseException, attributes: Any = None, *args: Any, **kwargs: Any
        ) -> None:
            told = redact_exception(exception, secrets)
            texts = {EXCEPTION_MESSAGE: told.message, EXCEPTION_STACKTRACE: told.stacktrace}
            record_exception(exception, texts | dict(attributes or {}), *args, **kwargs)

        def status_set(status: Any, description: str | None = None) -> None:
            if isinstance(status, Status) and status.description:
                status = Status(status.status_code, redact(status.description, secrets))
            set_status(status, redact(description, secrets) if description else description)

        # Through setattr: to a type checker, methods are not there to be replaced.
        for name, replacement in (("record_exception", recorded), ("set_status", status_set)):
            setattr(span, name, replacement)


def add_redacting_processor(provider: object, secrets_in: SecretsIn) -> None:
    """Let no span of a provider tell a call's key; nothing if it has no processors, or a add_redacting_processor."""
    add = getattr(provider, "add_span_processor", None)
    if add is not None and provider not in _veiled:
        _veiled.add(provider)
        add(RedactingProcessor(secrets_in))


class _NoDebugOfTheSdk(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Pass everything but what the SDK logs below INFO."""
        package = record.name.partition(".")[0]
        return package != "together" or record.levelno >= logging.INFO


_NO_DEBUG = _NoDebugOfTheSdk()


def redact_debug_logs() -> None:
    """Keep the SDK's debug log from OpenTelemetry's handlers; to be called again for later ones."""
    for handler in (*logging.getLogger().handlers, *logging.getLogger("together").handlers):
        if type(handler).__module__.startswith("opentelemetry."):
            handler.addFilter(_NO_DEBUG)
