"""Realtime sessions of `together` 2.42 and later: websockets, opened by one handshake each.

They go round the base client's ``request``. A call is the session, from its handshake to its
closing; the connections that a transcription session opens again by itself are attempts at it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from together_otel.sdk.addresses import port_of
from together_otel.sdk.calls import Answer, Failure, GivenKey, Request, Session
from together_otel.sdk.refusals import auth_kind, chain, failure_of
from together_otel.sdk.stainless import authorization_in
from together_otel.sdk.whole import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.sdk.calls import Result

_REGULAR_CLOSES = (None, 1000, 1001)
"""Close codes of a websocket that is open, or was closed on purpose."""


class Connections(WholeAnswers):
    """Adapter of the SDK's connection managers, on which ``connect`` is called."""

    name = "realtime"
    operation = "realtime.connect"

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
        return Request(self.operation, base.host, port_of(base), client._model)  # noqa: SLF001 - the same

    def result(self, _value: Any, _result: Result) -> None:
        """Add nothing: a session's events are not a model's answer to one request."""

    def failure(self, exc: BaseException, _seen: Any, key: object) -> Failure:
        """See `Adapter.failure`; a refused handshake is an ``InvalidStatus`` of websockets.

        A transcription session raises its own error from that.
        """
        refused = next((link for link in chain(exc) if hasattr(link, "response")), exc)
        response = getattr(refused, "response", None)
        status = getattr(response, "status_code", None)
        headers = getattr(response, "headers", None)
        body: object = {"code": getattr(exc, "code", None), "message": ""}
        if response is not None:
            body = None
            with suppress(ValueError, TypeError):
                body = json.loads(getattr(response, "body", None) or b"null")
        answer = Answer(
            status_code=status,
            request_id=headers.get("x-request-id") if headers is not None else None,
            authorization=f"Bearer {key}",
        )
        return failure_of(exc, status=status, body=body, answer=answer, sent=False)

    def failure_in(self, value: Any) -> Failure | None:
        """See `Adapter.failure_in`: an event that ends the session with an error."""
        error = getattr(value, "error", None)
        if error is None or not getattr(value, "is_fatal", False):
            return None
        kind = auth_kind(None, getattr(error, "code", None))
        return Failure("auth_failure" if kind else "server_error", Answer(), auth=kind)

    def session_of(self, _client: Any, returned: Any) -> Session | None:
        """See `Adapter.session_of`."""
        protocol = returned._ws.protocol  # noqa: SLF001 - where connections keep it

        def failure() -> Failure | None:
            if protocol.close_code in _REGULAR_CLOSES:
                return None
            return Failure("connection_error", Answer())

        return Session(returned, failure)


class Transcriptions(Connections):
    """Adapter of the SDK's transcription sessions, which connect again by themselves."""

    operation = "realtime.transcription"

    def session_of(self, client: Any, _returned: Any) -> Session | None:
        """See `Adapter.session_of`: the session tells of its own failure."""
        return Session(client, lambda: None)
