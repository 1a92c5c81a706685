"""Base adapter of HTTP libraries, for requests to Together's hosts with the key in a header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from together_otel.clients.answers import answer_of, body_of, header_in, note_origin
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
from together_otel.clients.sent import (
    authorization_in_traceback,
    tries_in_traceback,
    variable_in_traceback,
)
from together_otel.keys.formats import is_placeholder
from together_otel.keys.hosts import is_sign_in, owner_of

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
    """A request to be sent, which the rest of this package treats as the call's client.

    ``client`` is the HTTP client that sends it. ``authorization`` is ``None`` if the request has
    no such header so far. ``body`` is a mapping, or JSON. ``args`` and ``kwargs`` are the patched
    function's, ``kwargs`` in a dict of this object's own. ``reader`` is the library that makes the
    request, ``None`` for the HTTP library's own. ``is_signed`` is whether the HTTP library's own
    auth, a hook or a middleware adds the key.
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
    is_signed: bool = False


class _Shared:
    """Represents all clients that send keys to the hosts of one owner."""


_SHARED: dict[str, _Shared] = {}
"""By the owner of the hosts."""


class Wire(Adapter):
    """Adapter of an HTTP library; ``client`` and the only argument are a request's `Exchange`.

    ``modules`` send its requests, in functions that have the response in the variable ``received``.
    """

    recovers = True
    returns_refusals = True
    library: str
    modules: tuple[str, ...] = ()
    received: str = ""

    def reader_of(self, client: Exchange) -> Reader:
        return client.reader or self.reader

    def exchange(self, client: Any, args: Args, kwargs: dict[str, Any]) -> Exchange:
        """Describe a request by the arguments of the patched function, and store these."""
        raise NotImplementedError

    def seen(self, _exchange: Exchange, response: Any) -> Any:
        """Return the object that `answer` takes; ``response`` is ``None`` before the request."""
        return response

    def key(self, client: Exchange) -> object:
        sent = client.authorization
        return None if sent is None else sent.removeprefix(BEARER)

    def set_key(self, client: Exchange, key: object) -> bool:
        if client.is_signed:
            return False  # it would replace any other key
        client.authorization = f"{BEARER}{key}"
        self.put(client, client.authorization)
        return True

    def put(self, exchange: Exchange, authorization: str) -> None:
        """Put an Authorization header into the arguments of a request."""
        raise NotImplementedError

    def renewed(self, client: Exchange, authorization: str) -> bool:
        if client.authorization is None and authorization.startswith(BEARER):
            client.authorization, client.is_signed = authorization, True
        return super().renewed(client, authorization)

    def shared(self, client: Exchange) -> object:
        # The application passes a key with each request: a replaced key holds for all clients.
        # Another request without a key may be another user's.
        sent = str(self.key(client) or "").strip()
        if not sent or is_placeholder(sent):
            return None
        return _SHARED.setdefault(owner_of(client.server[0] or ""), _Shared())

    def bodies(self, args: Args, _kwargs: Kwargs) -> Iterable[object]:
        return self.parts(args[0])

    def parts(self, _exchange: Exchange) -> Iterable[object]:
        """Return the parts of a request that may be consumed by sending it."""
        return ()

    def discard(self, returned: Any) -> None:
        returned.close()

    def request(self, client: Exchange, _args: Args, _kwargs: Kwargs) -> Request:
        operation = operation_of(client.method, client.path)
        return described(operation, *client.server, _fields_of(client.body))

    def answer(self, seen: Any) -> Answer:
        answer = self.described(seen)
        note_scheme(answer)
        answer.sign_in = is_sign_in(content_type_of(seen))
        return answer

    def described(self, seen: Any) -> Answer:
        """Return the description of a response, as the library shows it."""
        answer = answer_of(seen)
        # requests' own lookup of a missing header raises and catches an exception.
        if not RATELIMIT_NAMES.isdisjoint(getattr(seen.headers, "_store", RATELIMIT_NAMES)):
            answer.ratelimits = ratelimits(seen.headers.get)
        retries = getattr(getattr(seen, "raw", None), "retries", None)
        if history := getattr(retries, "history", None):
            answer.resends = _resends(history)
        return answer

    def result(self, value: Any, result: Result) -> None:
        if isinstance(value, dict):
            add_result(value, result)
            return
        for found in documents_in(content_type_of(value), _content_of(value)):
            add_result(found, result)

    def has_news(self, chunk: Any) -> bool:
        return bool(chunk)  # an event without news arrives as an empty dict

    def failure(self, exc: BaseException, _seen: Any, key: object) -> Failure:
        sent = f"{BEARER}{key}" if key is not None else bearer(authorization_in_traceback(exc))
        failure = failure_over_http(exc, (sent or "").removeprefix(BEARER))
        answer = failure.answer
        if not failure.sent:
            answer.authorization = sent
        if answer.status_code is None:
            found = variable_in_traceback(exc, self.modules, self.received)
            if found is not None and (refused := self.failure_in(found)) is not None:
                return refused
            if tries := tries_in_traceback(exc):
                answer.resends, answer.status_code = _resends(tries) - 1, tries[-1].status
            if answer.status_code is not None:
                failure = failure_answered(answer, answer.status_code, None)
        # httpx and aiohttp raise it for a header that is None.
        if key == "" and not failure.sent and isinstance(exc, TypeError):
            failure.auth, failure.outcome = "unsendable", "auth_failure"
        note_scheme(answer)
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


def _resends(tries: Iterable[Any]) -> int:
    """Return the number of attempts in urllib3's history, which contains redirects as well."""
    return sum(getattr(one, "redirect_location", None) is None for one in tries)


def bearer(value: object) -> str | None:
    """Return an Authorization header as a string, with the scheme written as by the SDK."""
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
    """Normalise the header of an answer by `bearer`, and set whether it has a valid scheme."""
    sent = answer.authorization
    if sent is not None and sent.startswith(BEARER):
        return
    scheme, space, _ = (sent or "").partition(" ")
    answer.has_scheme = (
        sent is None or scheme.lower() == "bearer" or (bool(space) and scheme.lower() in _LOGINS)
    )
    answer.authorization = bearer(sent)


def content_type_of(response: Any) -> str:
    """Return the Content-Type of a response in lower case."""
    return str(header_in(response.headers, "content-type") or "").lower()


def failure_of_answer(
    answer: Answer, headers: Any, body: object, content: bytes = b""
) -> Failure | None:
    """Describe the failure of a whole answer; ``None`` if it is no failure.

    ``body`` is the part that was read: its JSON, else bytes. ``content`` is the whole body, which
    may be a stream that ends with an error.
    """
    status = answer.status_code
    if status is None or status < FIRST_ERROR:
        content_type = str(headers.get("content-type") or "").lower()
        failures = (failure_of_event(one, answer) for one in documents_in(content_type, content))
        return next((one for one in failures if one is not None), None)
    note_origin(answer, headers, body)
    return failure_answered(answer, status, body)


def failure_of_event(event: Mapping[str, Any], answer: Answer) -> Failure | None:
    """Describe the failure in an event of a stream or in a document; ``None`` if there is none."""
    event = error_in(event) or event
    code = error_code(event)
    if (auth := auth_kind(None, code)) is not None:
        note_origin(answer, {}, event.get("error", event))
    elif not event.get("error") or isinstance(event.get("status"), str):
        return None  # with a status, the error is that of a retrieved batch or video
    sent = answer.status_code is not None
    return Failure("auth_failure" if auth else "server_error", answer, auth, sent=sent, code=code)


def _fields_of(body: object) -> Mapping[str, Any] | None:
    """Return the fields of a request's body; for a large body, only the model."""
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
    """Return the body of a response if it has been read, else empty bytes."""
    content = getattr(response, "_content", None) or getattr(response, "_body", None)
    return content if isinstance(content, bytes) and len(content) <= MOST else b""
