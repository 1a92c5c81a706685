"""lm15, the HTTP transport that DSPy contains and uses for `openai/…` models from 3.4 on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from together_otel.clients.addresses import server_in
from together_otel.clients.base import OpenBody
from together_otel.clients.callers import by_http
from together_otel.clients.credentials import authorization_in
from together_otel.clients.failures import class_names
from together_otel.clients.http_libraries import request_given
from together_otel.clients.wire import Exchange, Wire, bearer
from together_otel.keys import can_be_sent

if TYPE_CHECKING:
    from together_otel.clients.base import Args, Failure
    from together_otel.keys.reader import Reader


class Lm15(Wire):
    """Adapter of lm15: the ``stream`` of its sync transport, the ``_do_stream`` of its async one."""

    recovers = False
    returns_refusals = False
    library = "lm15"
    reader: ClassVar[Reader] = by_http(library)

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        request = request_given(args, kwargs)
        url, method, body = urlsplit(request.url), request.method, request.body
        sent = bearer(authorization_in(dict(request.headers)))
        return Exchange(client, server_in(url), url.path, method, sent, body, args, kwargs)

    def seen(self, exchange: Exchange, response: Any) -> Any:
        if response is None:
            return None
        request = request_given(exchange.args, exchange.kwargs)
        headers = {"Authorization": authorization_in(dict(request.headers))}
        return _Answered(response, SimpleNamespace(url=request.url, headers=headers))

    def open_body(self, returned: Any) -> OpenBody | None:
        return OpenBody(_Answered(returned), self.library)

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        failure = super().failure(exc, seen, key)
        # lm15 has one error for headers that cannot be sent and for answers that are not HTTP.
        if seen is None and "ProtocolError" in class_names(exc) and not can_be_sent(str(key)):
            failure.auth, failure.outcome = "unsendable", "auth_failure"
        return failure


class _Answered:
    """A response of lm15, ``read_from``, in the shape of other libraries' responses."""

    def __init__(self, response: Any, request: Any = None) -> None:
        self.read_from, self.request = response, request
        self.status: int = response.status
        self.headers = {name.lower(): value for name, value in response.headers}
