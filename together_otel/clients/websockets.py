"""Adapter of `websockets`, which the openai client uses, for handshakes with Together's hosts.

Handshakes of `together` are part of its sessions (`realtime`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qs

from together_otel.clients.answers import is_basic
from together_otel.clients.base import Answer
from together_otel.clients.callers import by_http
from together_otel.clients.credentials import AUTHORIZATION
from together_otel.clients.http_libraries import authorization_in_any
from together_otel.clients.realtime import Connections, answered, headers_of
from together_otel.clients.wire import BEARER, Exchange, Wire, note_scheme

if TYPE_CHECKING:
    from collections.abc import Iterable

    from together_otel.clients.base import Args, Failure, Request
    from together_otel.keys.reader import Reader

_AS_THE_SDKS: Final = Connections()
"""Describes failures of handshakes."""


class Websockets(Wire):
    """Adapter of the ``handshake`` of connections of `websockets`, which cannot be retried."""

    recovers = False
    returns_refusals = False
    library = "websockets"
    reader: ClassVar[Reader] = by_http(library)

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        protocol = client.protocol
        uri = getattr(protocol, "uri", None) or protocol.wsuri  # before 15
        headers = args[0] if args else kwargs.get("additional_headers")
        model = parse_qs(uri.query).get("model", [None])[0]
        return Exchange(
            client,
            (uri.host, uri.port),
            uri.path,
            "GET",
            authorization_in_any(headers),
            {"model": model},
            args,
            kwargs,
        )

    def seen(self, exchange: Exchange, _response: Any) -> Any:
        return exchange.client  # before the handshake, too: an exception has no request

    def parts(self, _exchange: Exchange) -> Iterable[object]:
        return ()

    def override(self, client: Exchange, request: Request, answer: Answer) -> str | None:
        return "base_url" if is_basic(answer) else super().override(client, request, answer)

    def answer(self, seen: Any) -> Answer:
        answer = Answer(
            *answered(getattr(seen, "response", None)),
            authorization=headers_of(getattr(seen, "request", None)).get(AUTHORIZATION),
        )
        note_scheme(answer)
        return answer

    def is_whole(self, _returned: Any) -> bool:
        return True

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        answer = self.answer(seen)
        if answer.authorization is None and key is not None:  # the request was not made yet
            answer.authorization = f"{BEARER}{key}"
        return _AS_THE_SDKS.failure(exc, answer, key)
