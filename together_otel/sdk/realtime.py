"""Realtime sessions of `together` 2.42 and later: a websocket, opened by one handshake.

They go round the base client's ``request``; what is a call here is the handshake, as it is
what a key is asked at.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from together_otel.sdk.addresses import port_of
from together_otel.sdk.calls import Answer, GivenKey, Request
from together_otel.sdk.refusals import failure_of
from together_otel.sdk.stainless import authorization_in
from together_otel.sdk.whole import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.sdk.calls import Failure, Result

OPERATION = "realtime.connect"


class Realtime(WholeAnswers):
    """Adapter of the SDK's connection managers, on which ``connect`` is called."""

    name = "realtime"
    delegates = False

    def given_key(
        self, client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]
    ) -> GivenKey:
        """Return the key of the client that the manager belongs to."""
        return GivenKey(self.key(client), "argument")

    def key(self, client: Any) -> object:
        """See `Adapter.key`."""
        return getattr(client._client, "api_key", None)  # noqa: SLF001 - where managers keep it

    def override(
        self, client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]
    ) -> str | None:
        """See `Adapter.override`."""
        replaced = authorization_in(client._extra_headers)  # noqa: SLF001 - where managers keep them
        return "extra_headers" if replaced is not None else None

    def request(self, client: Any, _args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> Request:
        """See `Adapter.request`."""
        base = client._client.base_url  # noqa: SLF001 - where managers keep it
        return Request(OPERATION, base.host, port_of(base), client._model)  # noqa: SLF001 - the same

    def result(self, _value: Any, _result: Result) -> None:
        """Add nothing: a connection has no model or usage yet."""

    def failure(self, exc: BaseException, _seen: Any, key: object) -> Failure:
        """See `Adapter.failure`; a refused handshake is an ``InvalidStatus`` of websockets."""
        response = getattr(exc, "response", None)
        status = getattr(response, "status_code", None)
        headers = getattr(response, "headers", None)
        body: object = None
        with suppress(ValueError, TypeError):
            body = json.loads(getattr(response, "body", None) or b"null")
        answer = Answer(
            status_code=status,
            request_id=headers.get("x-request-id") if headers is not None else None,
            authorization=f"Bearer {key}",
        )
        return failure_of(exc, status=status, body=body, answer=answer, sent=False)
