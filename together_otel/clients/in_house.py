"""Adapter of `together_ai`, an in-house wrapper with the interface of the original error report.

``TogetherAI(api_key=…)`` and ``client.chat(…)`` use an HTTP library or `together` itself. In the
second case the inner client's call is reported.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from together_otel.clients.addresses import server_in
from together_otel.clients.base import Adapter, Answer, GivenKey
from together_otel.clients.callers import IN_HOUSE
from together_otel.clients.credentials import first_nonempty_key
from together_otel.clients.failures import (
    failure_over_http,
    failure_returned,
    refusal_in,
    refused,
)
from together_otel.clients.fields import NOTHING
from together_otel.clients.payloads import add_result, described
from together_otel.keys import Secret
from together_otel.plain.weak import WeakIdentityMap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from together_otel.clients.base import Args, Failure, Kwargs, Request, Result

_ATTRIBUTES: Final = ("api_key", "_api_key")
_REVEAL: Final = "get_secret_value"


class InHouse(Adapter):
    """Adapter of an in-house client."""

    delegates = True
    recovers = True
    reader = IN_HOUSE
    error_modules: ClassVar[tuple[str, ...]] = (
        "together_ai",
        "together_ai.errors",
        "together_ai.exceptions",
    )

    def __init__(self) -> None:
        self._given: WeakIdentityMap[Secret] = WeakIdentityMap()
        """The keys of clients that have no attribute for their key."""

    def given_key(self, client: Any, args: Args, kwargs: Kwargs) -> GivenKey:
        # The key may be the first positional argument.
        argument = kwargs.get("api_key", args[0] if args else None)
        given = first_nonempty_key(_text_in(argument))
        if (name := _attribute_of(client)) is not None:
            resolved = _text_in(getattr(client, name))
            if resolved != given.value:
                return GivenKey(resolved, "argument" if argument is not None else "environment")
        elif given.value:
            with suppress(TypeError):  # the class may not support weak references
                self._given[client] = Secret(given.value)
        return given

    def host(self, client: Any) -> str | None:
        # Unknown if a wrapper has no base URL.
        return urlsplit(str(getattr(client, "base_url", "") or "")).hostname

    def key(self, client: Any) -> object:
        if (name := _attribute_of(client)) is not None:
            return _text_in(getattr(client, name))
        given = self._given.get(client)
        return None if given is None else given.reveal()

    def set_key(self, client: Any, key: object) -> bool:
        if (name := _attribute_of(client)) is None:
            return False
        kind = type(getattr(client, name))
        setattr(client, name, kind(key) if hasattr(kind, _REVEAL) else key)
        return True

    def bodies(self, args: Args, kwargs: Kwargs) -> Iterable[object]:
        return *args, *kwargs.values()

    def request(self, client: Any, _args: Args, kwargs: Kwargs) -> Request:
        parts = urlsplit(str(getattr(client, "base_url", "") or ""))
        return described("chat", *server_in(parts), kwargs)

    def result(self, value: Any, result: Result) -> None:
        add_result(value, result)

    def failure_in(self, value: Any, _seen: Any = None) -> Failure | None:
        body = refusal_in(value)
        return failure_returned(value) if body is None else refused(body, Answer())

    def failure(self, exc: BaseException, _seen: Any, key: object) -> Failure:
        return failure_over_http(exc, key)


def _text_in(key: object) -> object:
    """Return the text in pydantic's SecretStr, which the client takes out itself; else the key."""
    return getattr(key, _REVEAL)() if hasattr(type(key), _REVEAL) else key


def _attribute_of(client: Any) -> str | None:
    """Return the name of the attribute with a client's key; ``None`` if there is none.

    A property may do anything, and is read only if the client has no such attribute of its own.
    """
    own = getattr(client, "__dict__", NOTHING)
    kept = (name for name in _ATTRIBUTES if name in own)
    return next(chain(kept, (name for name in _ATTRIBUTES if hasattr(client, name))), None)
