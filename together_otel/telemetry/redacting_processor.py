"""A span processor that redacts keys in other instrumentations' spans inside a call.

An instrumentation of the HTTP client may record captured headers, and the exception for a key that
is not valid in a header, on a span of its own. The application must get that exception unchanged,
so the recorded data is redacted instead.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.trace import Status

from together_otel.clients.credentials import CREDENTIALS
from together_otel.clients.sent import secrets_at_work
from together_otel.keys import MARK, redact, redact_exception
from together_otel.names import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE
from together_otel.plain.weak import WeakIdentityMap

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from together_otel.keys import Secrets

CALL: Final = context.create_key("together_otel-call")
"""The key for the call of a context: a `Call` or an `IdleCall`."""

_redacted: WeakIdentityMap[bool] = WeakIdentityMap()
"""Providers with the processor, which OpenTelemetry cannot remove."""


class RedactingProcessor(SpanProcessor):
    """Redacts the name, attributes, events, links and status of spans inside a call."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Make a span inside a call redact its data, including what was set so far."""
        around = context.get_current() if parent_context is None else parent_context
        call: Any = around.get(CALL)
        if call is None:
            return
        with call.runtime.guard("begin"):
            # The key of a request hook or of the HTTP client's own auth is only in the request.
            call.involves(*secrets_at_work(sys._getframe(1)))  # noqa: SLF001 - of who starts the span
        with call.runtime.guard("begin"):
            setattr(span, _CALL, call)
            span.__class__ = _redacting_kind(type(span))
            span.update_name(span.name)
            present: Any = span._attributes  # noqa: SLF001 - a name cannot be removed otherwise
            if present and (clean := _clean_attributes(present, span)) != dict(present):
                present.clear()
                span.set_attributes(clean)


_CALL = "_together_otel_call"
_CREDENTIALS = tuple({one.replace("-", "_") for one in CREDENTIALS})


@lru_cache(maxsize=16)
def _redacting_kind(kind: type) -> type:
    """Return a subclass of a span class that redacts the data set on its spans."""

    class Redacting(kind):  # type: ignore[misc]  # a class that is not known here
        def set_attribute(self, key: str, value: Any) -> None:
            super().set_attribute(*_clean_attribute(key, value, self))

        def set_attributes(self, attributes: Any) -> None:
            super().set_attributes(_clean_attributes(attributes, self))

        def add_event(self, name: str, attributes: Any = None, *args: Any, **kwargs: Any) -> None:
            clean = _clean_attributes(attributes or {}, self)
            super().add_event(_clean(name, self), clean, *args, **kwargs)

        def add_link(self, context: Any, attributes: Any = None) -> None:
            super().add_link(context, attributes and _clean_attributes(attributes, self))

        def update_name(self, name: str) -> None:
            super().update_name(_clean(name, self))

        def record_exception(
            self, exception: BaseException, attributes: Any = None, *args: Any, **kwargs: Any
        ) -> None:
            redacted = redact_exception(exception, _secrets_of(self))
            texts = {EXCEPTION_MESSAGE: redacted.message, EXCEPTION_STACKTRACE: redacted.stacktrace}
            super().record_exception(exception, texts | dict(attributes or {}), *args, **kwargs)

        def set_status(self, status: Any, description: str | None = None) -> None:
            if isinstance(status, Status) and status.description:
                status = Status(status.status_code, _clean(status.description, self))
            super().set_status(status, _clean(description, self))

    Redacting.__name__, Redacting.__qualname__ = kind.__name__, kind.__qualname__
    Redacting.__module__ = kind.__module__
    return Redacting


def _clean_attributes(attributes: Any, span: Any) -> Any:
    """Return redacted attributes; OpenTelemetry rejects what is not a mapping."""
    if not isinstance(attributes, Mapping):
        return attributes
    return dict(_clean_attribute(name, value, span) for name, value in attributes.items())


def _clean_attribute(name: Any, value: Any, span: Any) -> tuple[Any, Any]:
    """Return an attribute, redacted; the value of a captured credential header is a mark."""
    safe = _clean(value, span)
    if isinstance(name, str) and name.lower().replace("-", "_").endswith(_CREDENTIALS):
        safe = [MARK] if isinstance(safe, tuple) else safe if _is_number(safe) else MARK
    return _clean(name, span), safe


def _clean(value: Any, span: Any) -> Any:
    if _is_number(value):
        return value
    if isinstance(value, Mapping):
        return _clean_attributes(value, span)
    if isinstance(value, (list, tuple)):
        return tuple(_clean(one, span) for one in value)
    # OpenTelemetry converts bytes, in some releases, and other objects.
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    safe = redact(text, _secrets_of(span))
    return value if safe == text else safe


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _secrets_of(span: Any) -> Secrets:
    call = getattr(span, _CALL)
    try:
        secrets: Secrets = call.secrets
    except Exception:  # noqa: BLE001 - must not reach the application: the client's code may run
        call.runtime.guard("finish").swallow()
        return ()
    return secrets


def add_redacting_processor(provider: object) -> None:
    """Add the processor to a provider once, if the provider supports processors."""
    add = getattr(provider, "add_span_processor", None)
    if add is not None and provider not in _redacted:
        _redacted[provider] = True
        add(RedactingProcessor())
