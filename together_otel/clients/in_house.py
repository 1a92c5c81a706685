"""`together_ai`: an in-house wrapper of the shape of the error report.

``TogetherAI(api_key=…)`` and ``client.chat(…)``, over an HTTP library or over `together`
itself; in the second case the inner client's call is the one that counts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from together_otel.clients.addresses import port_of
from together_otel.clients.authentication import error_class, made_of
from together_otel.clients.base import Answer, GivenKey
from together_otel.clients.failures import UNAUTHORIZED, class_names, failure_of
from together_otel.clients.payloads import add_result, described
from together_otel.clients.together_v1 import first_nonempty_key
from together_otel.clients.whole import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from together_otel.clients.base import Failure, Request, Result

_WITH_ERRORS = ("together_ai", "together_ai.errors", "together_ai.exceptions")


class InHouse(WholeAnswers):
    """Adapter of an in-house client; its methods are operations of their own name."""

    name = "together_ai"
    delegates = True
    recovers = True

    def __init__(self, operation: str = "chat") -> None:
        self._operation = operation

    def given_key(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> GivenKey:
        """See `Adapter.given_key`; the key may be the first positional argument."""
        argument = kwargs.get("api_key", args[0] if args else None)
        given = first_nonempty_key(argument, os.environ)
        resolved = getattr(client, "api_key", given.value)
        if resolved != given.value:
            return GivenKey(resolved, "argument" if argument is not None else "environment")
        return given

    def host(self, client: Any) -> str | None:
        """See `Adapter.host`; ``None`` where such a wrapper does not tell."""
        return urlsplit(str(getattr(client, "base_url", "") or "")).hostname

    def authentication_error(self, message: str) -> tuple[type[Exception] | None, dict[str, Any]]:
        """See `Adapter.authentication_error`."""
        found = error_class(*_WITH_ERRORS)
        return found, made_of(found, message)

    def key(self, client: Any) -> object:
        """See `Adapter.key`."""
        return getattr(client, "api_key", None)

    def set_key(self, client: Any, key: object) -> bool:
        """See `Adapter.set_key`."""
        if not hasattr(client, "api_key"):
            return False
        client.api_key = key
        return True

    def bodies(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[object]:
        """See `Adapter.bodies`."""
        return *args, *kwargs.values()

    def override(
        self, _client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]
    ) -> str | None:
        """Return ``None``: such a wrapper has no header options that could be known."""
        return None

    def request(self, client: Any, _args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
        """See `Adapter.request`."""
        parts = urlsplit(str(getattr(client, "base_url", "") or ""))
        return described(self._operation, parts.hostname, port_of(parts), kwargs)

    def result(self, value: Any, result: Result) -> None:
        """See `Adapter.result`."""
        add_result(value, result)

    def failure(self, exc: BaseException, _seen: Any, key: object) -> Failure:
        """See `Adapter.failure`."""
        status = getattr(exc, "status_code", None)
        if status is None and "AuthenticationError" in class_names(exc):
            status = UNAUTHORIZED
        return failure_of(
            exc,
            status=status,
            body=getattr(exc, "body", None) or {"message": "", "code": None},
            answer=Answer(status_code=status, authorization=f"Bearer {key}"),
            sent=False,
        )
