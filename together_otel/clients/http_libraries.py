"""Adapters of the HTTP libraries whose requests to Together are reported; imports none of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urljoin, urlsplit

from together_otel.clients.addresses import origin_of, server_in
from together_otel.clients.answers import header_in, is_basic, redirected_from
from together_otel.clients.callers import by_http
from together_otel.clients.credentials import AUTHORIZATION
from together_otel.clients.generated import Generated
from together_otel.clients.host_checks import url_text
from together_otel.clients.sent import HTTPX, redirects_at_work
from together_otel.clients.wire import Exchange, Wire, bearer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from urllib.parse import SplitResult

    from together_otel.clients.base import Answer, Args, Kwargs, Request
    from together_otel.keys.reader import Reader


_AS_THE_SDKS: Final = Generated()
"""Reads httpx's responses."""


class ByRequest(Wire):
    """An HTTP library whose function takes a request object."""

    def put(self, exchange: Exchange, authorization: str) -> None:
        request_given(exchange.args, exchange.kwargs).headers[AUTHORIZATION] = authorization

    def built(self, client: Any, known: Mapping[str, Any]) -> Exchange:
        """Describe a request, by its arguments, that could not be built because of its headers."""
        url, method = urlsplit(url_text(known["url"])), str(known["method"])
        sent = authorization_in_any(known.get("headers"), client.headers)
        body = next(filter(None, map(known.get, ("json", "content", "data"))), None)
        return Exchange(client, server_in(url), url.path, method, sent, body)


def request_given(args: Args, kwargs: Kwargs) -> Any:
    """Return the request that a function is called with, as its first argument."""
    return args[0] if args else kwargs["request"]


class Httpx(ByRequest):
    """Adapter of httpx and httpx2: their ``Client.send`` and ``AsyncClient.send``."""

    library = "httpx"
    modules: tuple[str, ...] = HTTPX
    received = "response"
    reader: ClassVar[Reader] = by_http(library)

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        request = request_given(args, kwargs)
        url, method, body = request.url, request.method, getattr(request, "_content", None)
        sent = bearer(header_in(request.headers, AUTHORIZATION))
        return Exchange(client, origin_of(url)[:2], url.path, method, sent, body, args, kwargs)

    def parts(self, exchange: Exchange) -> Iterable[object]:
        request = request_given(exchange.args, exchange.kwargs)
        stream = None if hasattr(request, "_content") else request.stream
        return getattr(stream, "_stream", None), _files_of(stream)

    def described(self, seen: Any) -> Answer:
        return _AS_THE_SDKS.answer(seen)

    def override(self, client: Exchange, request: Request, answer: Answer) -> str | None:
        http_client = client.client
        given = (getattr(http_client, "auth", None), client.kwargs.get("auth"))
        # The default value is an object of httpx's own, which is neither.
        if any(isinstance(auth, tuple) or hasattr(auth, "auth_flow") for auth in given):
            return "auth"
        hooks = getattr(http_client, "event_hooks", {}).get("request")
        # Without a header there was nothing that a hook could change.
        if hooks and client.authorization is not None:
            return "request_hook"
        return super().override(client, request, answer)

    async def discard_async(self, returned: Any) -> None:
        await returned.aclose()

    def is_whole(self, returned: Any) -> bool:
        return returned.is_closed or hasattr(returned, "_content")


_REQUESTS_NAMES: Final = (
    *("method", "url", "params", "data", "headers", "cookies", "files", "auth", "timeout"),
    *("allow_redirects", "proxies", "hooks", "stream", "verify", "cert", "json"),
)
"""The arguments of ``Session.request``, in order."""


class _ByUrl(Wire):
    """An HTTP library whose function takes method, URL and headers."""

    names: tuple[str, ...]
    logins: str | None = "netrc"
    """Source of user names and passwords that the application did not pass."""

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        # Not into ``kwargs`` itself: a request that is not reported is sent with ``args`` as well.
        # Method and URL stay positional: other patches of the function may name them differently.
        more = zip(self.names[2:], args[2:], strict=False)
        args, given = args[:2], dict(more, **kwargs) if args else kwargs
        url = self._url_of(client, args, given)
        method = str(args[0] if args else given["method"])
        sent = authorization_in_any(given.get("headers"), client.headers)
        if (body := given.get("json")) is None:
            body = given.get("data")
        return Exchange(client, server_in(url), url.path, method, sent, body, args, given)

    def _url_of(self, client: Any, args: Args, given: Kwargs) -> SplitResult:
        url = args[1] if len(args) > 1 else given[self.names[1]]
        base = getattr(client, "_base_url", None)
        text = url_text(url).strip()
        return urlsplit(text if base is None else urljoin(str(base), text))

    def parts(self, exchange: Exchange) -> Iterable[object]:
        given = exchange.kwargs
        data = given.get("data")
        return data, given.get("files"), given.get("headers"), _once(data)

    def put(self, exchange: Exchange, authorization: str) -> None:
        headers = dict(exchange.kwargs.get("headers") or {})
        for name in [one for one in headers if _is_authorization(one)]:
            del headers[name]
        exchange.kwargs["headers"] = headers | {"Authorization": authorization}

    def override(self, client: Exchange, request: Request, answer: Answer) -> str | None:
        if client.kwargs.get("auth") or getattr(client.client, "auth", None):
            return "auth"
        if not is_basic(answer):
            return super().override(client, request, answer)
        url = self._url_of(client.client, client.args, client.kwargs)
        return "base_url" if "@" in url.netloc else self.logins


class Requests(_ByUrl):
    """Adapter of requests: its ``Session.request``."""

    library = "requests"
    modules: tuple[str, ...] = ("requests.sessions",)
    received = "r"
    reader: ClassVar[Reader] = by_http(library)
    names: tuple[str, ...] = _REQUESTS_NAMES

    def is_whole(self, returned: Any) -> bool:
        return returned.raw is None or returned._content is not False


class Prepared(ByRequest, Requests):
    """Adapter of requests that their caller prepared: requests' ``Session.send``."""

    logins: str | None = None

    def _url_of(self, _client: Any, args: Args, given: Kwargs) -> SplitResult:
        return urlsplit(str(request_given(args, given).url))

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        request = request_given(args, kwargs)
        url, method = self._url_of(client, args, kwargs), str(request.method)
        sent = bearer(request.headers.get(AUTHORIZATION))
        return Exchange(client, server_in(url), url.path, method, sent, request.body, args, kwargs)

    def parts(self, exchange: Exchange) -> Iterable[object]:
        return (request_given(exchange.args, exchange.kwargs).body,)

    def answer(self, seen: Any) -> Answer:
        # A session that follows a redirect from another host sends each request separately.
        answer, before = super().answer(seen), redirects_at_work(sys._getframe(1))
        answer.redirected_from = redirected_from(before, answer.authorization)
        return answer


class Aiohttp(_ByUrl):
    """Adapter of aiohttp: its ``ClientSession._request``."""

    library = "aiohttp"
    modules: tuple[str, ...] = ("aiohttp.client",)
    received = "resp"
    reader: ClassVar[Reader] = by_http(library)
    names: tuple[str, ...] = ("method", "str_or_url")

    def is_whole(self, returned: Any) -> bool:
        content = returned.content
        return returned._body is not None or content is None or content.at_eof()


def _once(data: object) -> object:
    """Return an iterator, which cannot be read twice, for aiohttp's form, which makes one body."""
    return iter(()) if type(data).__name__ == "FormData" else None


def _files_of(stream: Any) -> tuple[object, ...]:
    """Return the files of httpx's multipart body."""
    return tuple(getattr(one, "file", None) for one in getattr(stream, "fields", ()))


def _is_authorization(name: object) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return text.lower() == AUTHORIZATION


def authorization_in_any(*several: Any) -> str | None:
    """Return the header of `authorization_given` as `bearer` does."""
    return bearer(authorization_given(*several))


def authorization_given(*several: Any) -> Any:
    """Return the Authorization header of the first headers with one; pairs or mappings.

    Iterators, which the library has yet to read, are left out.
    """
    for headers in several:
        if not headers or hasattr(headers, "__next__"):
            continue
        pairs = headers.items() if hasattr(headers, "items") else headers
        for name, value in pairs:
            if _is_authorization(name):
                return "" if value is None else value  # as of a variable that is not set
    return None
