"""HTTP requests to Together's hosts, whichever library sends them: its key is in their headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from together_otel.clients.answers import (
    answer_of,
    authorization_of,
    body_of,
    header_in,
    note_origin,
    request_of,
)
from together_otel.clients.base import Adapter, Answer, Failure, OpenBody
from together_otel.clients.documents import MOST, documents_in, parsed
from together_otel.clients.failures import (
    FIRST_ERROR,
    auth_kind,
    error_code,
    failure_answered,
    failure_over_http,
)
from together_otel.clients.operations import operation_of
from together_otel.clients.payloads import RATELIMIT_NAMES, add_result, described, ratelimits
from together_otel.clients.responses import error_in
from together_otel.clients.sent import answer_in_traceback
from together_otel.keys.hosts import owner_of

if TYPE_CHECKING:
    from together_otel.clients.base import Args, Kwargs, Request, Result
    from together_otel.keys import Reader


BEARER: Final = "Bearer "
_LOGINS: Final = frozenset(("basic", "digest"))
"""Schemes of user names and passwords."""
_WHOLE_BODY: Final = 1024 * 1024
_BEGINNING: Final = 4096
_MODEL: Final = re.compile(r'"model"\s*:\s*"([^"\\]{1,256})"')


@dataclass(slots=True, repr=False, eq=False)
class Exchange:
    """A request that is about to be sent: what the rest of this package takes for its client.

    Attributes:
        client: the HTTP client that sends it.
        server: host and port that it goes to.
        path: of its URL.
        method: in any case of letters.
        authorization: the header; ``None`` where the request has none so far.
        body: mapping, or JSON.
        args: what the patched function is called with.
        kwargs: the same; of this object alone.
        reader: the library that wants it made; ``None`` is the HTTP library's own.
    """

    client: Any
    server: tuple[str | None, int | None]
    path: str
    method: str
    authorization: str | None
    body: object
    args: Args = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    reader: Reader | None = None

    def sent(self, response: Any) -> None:
        """Note the key that the HTTP library's own auth has put into a request without one."""
        if self.authorization is None:
            sent = bearer(authorization_of(request_of(response)))
            if sent is not None and sent.startswith(BEARER):
                self.authorization = sent


class _Shared:
    """Stands for all clients that send their keys to one owner's hosts."""


_SHARED: dict[str, _Shared] = {}
"""By whose the hosts are."""


class Wire(Adapter):
    """Adapter of an HTTP library; ``client`` is a request's `Exchange`, as is its one argument.

    Attributes:
        library: its name.
        modules: that send by it.
        received: the variable in which their functions have a response.
    """

    recovers = True
    returns_refusals = True
    library: str
    modules: tuple[str, ...]
    received: str

    def reader_of(self, client: Exchange) -> Reader:
        return client.reader or self.reader

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        """Describe a request by what the patched function is called with, and keep that."""
        raise NotImplementedError

    def seen(self, exchange: Exchange, response: Any) -> Any:
        """Return what `answer` describes: after a request, and before, when there is no response."""
        if response is not None:
            exchange.sent(response)
        return response

    def key(self, client: Exchange) -> object:
        sent = client.authorization
        return None if sent is None else sent.removeprefix(BEARER)

    def shared(self, client: Exchange) -> object:
        # The application hands each request its key: what took that one's place holds for all.
        return _SHARED.setdefault(owner_of(client.server[0] or ""), _Shared())

    def bodies(self, args: Args, _kwargs: Kwargs) -> Iterable[object]:
        return self.parts(args[0])

    def parts(self, exchange: Exchange) -> Iterable[object]:
        """Return what of a request is read as it is sent."""
        raise NotImplementedError

    def discard(self, returned: Any) -> None:
        returned.close()

    def request(self, client: Exchange, _args: Args, _kwargs: Kwargs) -> Request:
        operation = operation_of(client.method, client.path)
        return described(operation, *client.server, _fields_of(client.body))

    def answer(self, seen: Any) -> Answer:
        answer = answer_of(seen)
        note_scheme(answer)
        # requests' own look-up of a header that is not there raises in between.
        if not RATELIMIT_NAMES.isdisjoint(getattr(seen.headers, "_store", RATELIMIT_NAMES)):
            answer.ratelimits = ratelimits(seen.headers.get)
        # urllib3's own retries, of which redirects are none.
        retries = getattr(getattr(seen, "raw", None), "retries", None)
        if history := getattr(retries, "history", None):
            answer.resends = sum(getattr(one, "redirect_location", None) is None for one in history)
        return answer

    def result(self, value: Any, result: Result) -> None:
        if isinstance(value, dict):
            add_result(value, result)
            return
        for found in documents_in(content_type_of(value), _content_of(value)):
            add_result(found, result)

    def has_news(self, chunk: Any) -> bool:
        return bool(chunk)  # an event without is handed on as an empty one

    def chunk(self, chunk: Any, result: Result) -> None:
        add_result(chunk, result)

    def failure(self, exc: BaseException, _seen: Any, key: object) -> Failure:
        failure = failure_over_http(exc, "" if key is None else key)
        if failure.answer.status_code is None:
            found = answer_in_traceback(exc, self.modules, self.received)
            if found is not None and (refused := self.failure_in(found)) is not None:
                return refused
        note_scheme(failure.answer)
        return failure

    def failure_in(self, value: Any, seen: Any = None) -> Failure | None:
        if isinstance(value, dict):
            return failure_of_event(value, Answer() if seen is None else self.answer(seen))
        status = int(getattr(value, "status_code", None) or getattr(value, "status", None) or 0)
        content = _content_of(value)
        if status < FIRST_ERROR and b'"error"' not in content and b'_api_key"' not in content:
            return None
        return failure_of_answer(self.answer(value), value.headers, body_of(value), content)

    def open_body(self, returned: Any) -> OpenBody | None:
        return OpenBody(returned, self.library)


def bearer(value: object) -> str | None:
    """Return an Authorization header as text, its scheme written as the SDK writes it."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        return None
    if value.startswith(BEARER):
        return value
    scheme, space, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return f"{BEARER}{rest}"
    return value if space else f"{BEARER}{value}"


def note_scheme(answer: Answer) -> None:
    """Write the header that was sent as the SDK writes it; note whether its scheme is one."""
    sent = answer.authorization
    if sent is not None and sent.startswith(BEARER):
        return
    scheme, space, _ = (sent or "").partition(" ")
    answer.has_scheme = (
        sent is None or scheme.lower() == "bearer" or (bool(space) and scheme.lower() in _LOGINS)
    )
    answer.authorization = bearer(sent)


def content_type_of(response: Any) -> str:
    """Return the Content-Type of a response, in lower case."""
    return str(header_in(response.headers, "content-type") or "").lower()


def failure_of_answer(
    answer: Answer, headers: Any, body: object, content: bytes = b""
) -> Failure | None:
    """Describe the failure that a whole answer is; ``None`` for one that is none.

    Args:
        answer: what else is known of it.
        headers: the answer's.
        body: what could be read of it: its JSON, else bytes.
        content: all of it, in which a stream may end with an error.
    """
    status = answer.status_code
    if status is None or status < FIRST_ERROR:
        content_type = str(headers.get("content-type") or "").lower()
        failures = (failure_of_event(one, answer) for one in documents_in(content_type, content))
        return next((one for one in failures if one is not None), None)
    note_origin(answer, headers, body)
    return failure_answered(answer, status, body)


def failure_of_event(event: Mapping[str, Any], answer: Answer) -> Failure | None:
    """Describe the failure that an event of a stream, or a document, tells of."""
    event = error_in(event) or event
    code = error_code(event)
    if (auth := auth_kind(None, code)) is not None:
        note_origin(answer, {}, event.get("error", event))
    elif not event.get("error") or isinstance(event.get("status"), str):
        return None  # or the error of what is asked about, as a batch or a video that failed
    sent = answer.status_code is not None
    return Failure("auth_failure" if auth else "server_error", answer, auth, sent=sent, code=code)


def _fields_of(body: object) -> Mapping[str, Any] | None:
    """Return what a request's body says, as far as that is cheap to know."""
    if isinstance(body, Mapping):
        return body
    if isinstance(body, (bytes, bytearray)):
        if len(body) <= _WHOLE_BODY:
            return parsed(bytes(body))
        body = bytes(body[:_BEGINNING]).decode("utf-8", "replace")
    elif isinstance(body, str) and len(body) <= _WHOLE_BODY:
        return parsed(body)
    found = _MODEL.search(body[:_BEGINNING]) if isinstance(body, str) else None
    return None if found is None else {"model": found[1]}


def _content_of(response: Any) -> bytes:
    """Return a body that has been read; nothing where it has not."""
    content = getattr(response, "_content", None) or getattr(response, "_body", None)
    return content if isinstance(content, bytes) and len(content) <= MOST else b""
