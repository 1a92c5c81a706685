"""What others' spans inside a call would tell of a key.

An instrumentation of the HTTP client records the exception that a key unfit for a header raises,
and the headers it was told to capture, on a span of its own. The application is to get that
exception as it is, so what is recorded of it changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import Status

from together_otel.clients.failures import chain
from together_otel.keys import MARK, known_keys, redact, redact_exception
from together_otel.keys.known import united
from together_otel.names import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE
from together_otel.weak import WeakIdentityMap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

    from together_otel.keys import KnownKeys

    SecretsIn = Callable[["Context | None"], "KnownKeys | None"]

_redacted: WeakIdentityMap[bool] = WeakIdentityMap()
"""Providers that have the processor: OpenTelemetry cannot take one away again."""


class RedactingProcessor(SpanProcessor):
    """Redacts what spans inside a call are told.

    Args:
        secrets_in: returns the keys that the call of a context is made with, and ``None``
            where there is no call.
    """

    def __init__(self, secrets_in: SecretsIn) -> None:
        self._secrets_in = secrets_in

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Let a span inside a call redact what it is told, and what it was told so far."""
        if (secrets := self._secrets_in(parent_context)) is None:
            return
        setattr(span, _SECRETS, secrets)
        span.__class__ = _redacting_kind(type(span))
        if known := span.attributes:
            span.set_attributes(known)


_SECRETS = "_together_otel_secrets"
_CREDENTIALS = ("authorization", "api-key", "api_key", "cookie")
"""Ends of the names of headers that instrumentations capture when they are told to."""


@lru_cache(maxsize=16)
def _redacting_kind(kind: type) -> type:
    """Return a class of spans like ``kind`` that redacts what its spans are told."""

    class Redacting(kind):  # type: ignore[misc]  # a class that is not known here
        def set_attribute(self, key: str, value: Any) -> None:
            super().set_attribute(key, _clean_attribute(key, value, self))

        def set_attributes(self, attributes: Any) -> None:
            super().set_attributes(
                {key: _clean_attribute(key, value, self) for key, value in attributes.items()}
            )

        def add_event(self, name: str, attributes: Any = None, *args: Any, **kwargs: Any) -> None:
            clean = {key: _clean(value, self) for key, value in (attributes or {}).items()}
            super().add_event(_clean(name, self), clean, *args, **kwargs)

        def update_name(self, name: str) -> None:
            super().update_name(_clean(name, self))

        def record_exception(
            self, exception: BaseException, attributes: Any = None, *args: Any, **kwargs: Any
        ) -> None:
            # What a hook or the HTTP client's own auth has sent is in the request alone.
            sent = [known_keys((one,)) for one in _authorizations_of(exception)]
            if sent:
                setattr(self, _SECRETS, united([getattr(self, _SECRETS), *sent]))
            told = redact_exception(exception, getattr(self, _SECRETS))
            texts = {EXCEPTION_MESSAGE: told.message, EXCEPTION_STACKTRACE: told.stacktrace}
            super().record_exception(exception, texts | dict(attributes or {}), *args, **kwargs)

        def set_status(self, status: Any, description: str | None = None) -> None:
            if isinstance(status, Status) and status.description:
                status = Status(status.status_code, _clean(status.description, self))
            super().set_status(status, _clean(description, self))

    Redacting.__name__, Redacting.__qualname__ = kind.__name__, kind.__qualname__
    Redacting.__module__ = kind.__module__
    return Redacting


def _clean_attribute(name: str, value: Any, span: Any) -> Any:
    """Return an attribute's value; of a captured header that holds a credential, a mark."""
    if name.lower().endswith(_CREDENTIALS):
        return MARK if isinstance(value, str) else [MARK]
    return _clean(value, span)


def _authorizations_of(exc: BaseException) -> Iterator[str]:
    """Yield what was sent as Authorization in the requests of an exception and of its causes."""
    for link in chain(exc):
        # httpx keeps it there; its public property raises while there is none.
        headers = getattr(getattr(link, "_request", None), "headers", None)
        if headers is not None and (value := headers.get("authorization")):
            yield str(value).rpartition(" ")[2]


def _clean(value: Any, span: Any) -> Any:
    if isinstance(value, str):
        return redact(value, getattr(span, _SECRETS))
    if isinstance(value, (list, tuple)):
        return tuple(_clean(one, span) for one in value)
    return value


def add_redacting_processor(provider: object, secrets_in: SecretsIn) -> None:
    """Let no span of a provider tell a call's key; once, and if it takes processors at all."""
    add = getattr(provider, "add_span_processor", None)
    if add is not None and provider not in _redacted:
        _redacted[provider] = True
        add(RedactingProcessor(secrets_in))
