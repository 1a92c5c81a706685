"""Adapter of `websockets`, which the openai client uses, for handshakes with Together's hosts.

Handshakes of `together` are part of its sessions (`realtime`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from together_otel.clients.addresses import server_in
from together_otel.clients.answers import is_basic
from together_otel.clients.base import Answer
from together_otel.clients.callers import by_http
from together_otel.clients.credentials import AUTHORIZATION
from together_otel.clients.http_libraries import authorization_given, authorization_in_any
from together_otel.clients.realtime import Connections, answered, headers_of
from together_otel.clients.wire import BEARER, Exchange, Wire, note_scheme

if TYPE_CHECKING:
    from together_otel.clients.base import Args, Failure, Request, Result
    from together_otel.keys.reader import Reader

_AS_THE_SDKS: Final = Connections()
"""Describes failures of handshakes."""


class Websockets(Wire):
    """Adapter of `websockets`: the ``handshake`` of a sync connection, or the async ``connect``.

    ``connect`` follows redirects, each to another handshake. Neither can be retried.
    """

    recovers = False
    returns_refusals = False
    library = "websockets"
    reader: ClassVar[Reader] = by_http(library)

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        if (protocol := getattr(client, "protocol", None)) is None:
            uri = urlsplit(client.uri)
            server, headers = server_in(uri), _headers_for(client)
        else:
            uri = getattr(protocol, "uri", None) or protocol.wsuri  # before 15
            server = uri.host, uri.port
            headers = args[0] if args else kwargs.get("additional_headers")
        body = {"model": parse_qs(uri.query).get("model", [None])[0]}
        sent = authorization_in_any(headers)
        return Exchange(client, server, uri.path, "GET", sent, body, args, kwargs)

    def seen(self, exchange: Exchange, response: Any) -> Any:
        # Before the handshake, too: an exception has no request.
        return exchange if response is None else response

    def override(self, client: Exchange, request: Request, answer: Answer) -> str | None:
        return "base_url" if is_basic(answer) else super().override(client, request, answer)

    def answer(self, seen: Any) -> Answer:
        client = seen.client if isinstance(seen, Exchange) else seen
        answer = Answer(
            *answered(getattr(client, "response", None)),
            authorization=headers_of(getattr(client, "request", None)).get(AUTHORIZATION),
        )
        if isinstance(uri := getattr(client, "uri", None), str):
            # Where the last redirect led; one to another host drops the header since 17.
            answer.host, answer.port = server_in(urlsplit(uri))
            answer.authorization = authorization_given(_headers_for(client))
            if answer.authorization is None and seen.authorization is not None:
                answer.redirected_from = "{}:{}".format(*seen.server)
        note_scheme(answer)
        return answer

    def result(self, _value: Any, _result: Result) -> None:
        """Read nothing: an open connection has no body."""

    def is_whole(self, _returned: Any) -> bool:
        return True

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        answer = self.answer(seen)
        is_lost = answer.redirected_from is not None
        if answer.authorization is None and key is not None and not is_lost:
            answer.authorization = f"{BEARER}{key}"  # the request was not made yet
        return _AS_THE_SDKS.failure(exc, answer, key)


def _headers_for(connect: Any) -> Any:
    """Return the headers that the application passed to an async ``connect``."""
    given = vars(connect)
    return given.get("additional_headers", given.get("handshake_args", (None,))[0])  # before 15
