"""Adapter of the generated clients on httpx: `together` 2.x and 3.x, and the base of openai's.

Matches objects by shape and imports neither the SDK nor httpx.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from together_otel.clients.addresses import is_absolute, origin_of, server_in
from together_otel.clients.answers import (
    body_of,
    by_name,
    is_basic,
    note_origin,
    redirected_from,
)
from together_otel.clients.base import Adapter, Answer, GivenKey, OpenBody, blank
from together_otel.clients.credentials import (
    AUTHORIZATION,
    authorization_in,
    first_set_key,
    key_in,
    passwords_in,
    replace_key,
)
from together_otel.clients.documents import is_document, parsed
from together_otel.clients.failures import attribute_of, failure_of, refusal_in, refused
from together_otel.clients.fields import NOTHING
from together_otel.clients.operations import OPERATIONS, operation_of
from together_otel.clients.payloads import RATELIMIT_NAMES, add_result, described, ratelimits
from together_otel.clients.responses import error_in
from together_otel.clients.sent import refusal_behind
from together_otel.clients.wire import content_type_of, failure_of_event

if TYPE_CHECKING:
    from together_otel.clients.base import Args, Failure, Kwargs, Request, Result

_RATELIMITS = frozenset(name.encode("ascii") for name in RATELIMIT_NAMES)


class Generated(Adapter):
    """Adapter of the generated clients."""

    recovers = True
    error_modules: ClassVar[tuple[str, ...]] = ("together",)

    def given_key(self, client: Any, _args: Args, kwargs: Kwargs) -> GivenKey | None:
        given = first_set_key(kwargs.get("api_key"))
        if given.value is None and (resolved := self.key(client)) is not None:
            given = GivenKey(resolved, "colab")
        return key_in(getattr(client, "_custom_headers", None)) or given

    def host(self, client: Any) -> str | None:
        host: str = client.base_url.host
        return host

    def is_signed_elsewhere(self, client: Any) -> bool:
        # Subclasses and HTTP clients may set the header themselves.
        http_client = client._client
        return (
            authorization_in(client.auth_headers) != f"Bearer {self.key(client)}"
            or (client.custom_auth or http_client.auth) is not None
            or bool(http_client.event_hooks["request"])
        )

    def set_key(self, client: Any, key: object) -> bool:
        return self.key(client) is not None and super().set_key(client, key)

    def renewed(self, client: Any, authorization: str) -> bool:
        return self.key(client) is None or super().renewed(client, authorization)

    def authentication_error(self, message: str) -> tuple[type[Exception] | None, dict[str, Any]]:
        # The constructor of an APIStatusError requires a response.
        fields = {"message": message, "request": None, "response": None, "body": None}
        return super().authentication_error(message)[0], fields

    def shared(self, client: Any) -> object:
        # ``with_options()`` copies share the HTTP client.
        return client._client

    def bodies(self, args: Args, kwargs: Kwargs) -> Iterable[object]:
        options = _options(args, kwargs)
        return getattr(options, "content", None), getattr(options, "files", None)

    def request(self, client: Any, args: Args, kwargs: Kwargs) -> Request:
        options = args[1] if len(args) > 1 else kwargs["options"]
        url = str(options.url)
        host, port, userinfo = origin_of(client.base_url)
        if "://" in url and is_absolute(url):
            host, port = server_in(urlsplit(url))
        body, more = options.json_data, getattr(options, "extra_json", None)
        if (
            more is not None
            and isinstance(more, Mapping)
            and isinstance(body, (Mapping, type(None)))
        ):
            body = {**(body or {}), **more}  # merge ``extra_body`` as the SDK does
        method = options.method
        operation = OPERATIONS.get((method, url)) or operation_of(method, url)
        request = described(operation, host, port, body)
        if userinfo:
            request.further_keys += tuple(passwords_in(userinfo.decode("ascii")))
        if isinstance(options.headers, dict):
            replace_key(request, options.headers, "extra_headers")
        if custom := getattr(client, "_custom_headers", None):
            replace_key(request, custom)
        if (auth := getattr(client._client, "_auth", None)) is not None:
            # Only httpx's BasicAuth has the attribute.
            replace_key(request, {AUTHORIZATION: getattr(auth, "_auth_header", "")})
        return request

    def override(self, client: Any, request: Request, answer: Answer) -> str | None:
        if request.override is not None:
            return request.override
        http_client = client._client
        if authorization_in(getattr(client, "_custom_headers", None)) is not None:
            variable = self.reader.custom_headers or ""
            of_environment = AUTHORIZATION in os.environ.get(variable, "").lower()
            return variable if of_environment else "default_headers"
        if client.custom_auth is not None or http_client.auth is not None:
            return "http_client"
        if is_basic(answer) and client.base_url.userinfo:
            return "base_url"
        return "request_hook" if http_client.event_hooks["request"] else None

    def answer(self, seen: Any) -> Answer:
        # ``seen`` is an ``httpx.Response``.
        answer, headers = _sent(seen.request), seen.headers
        answer.status_code = seen.status_code
        named = by_name(headers)
        if identifier := named.get(b"x-request-id"):
            answer.request_id = identifier.decode("latin-1")
        if not _RATELIMITS.isdisjoint(named):
            answer.ratelimits = ratelimits(headers.get)
        if seen.history:
            answer.redirected_from = redirected_from(seen.history, answer.authorization)
        return answer

    def result(self, value: Any, result: Result) -> None:
        # The body of a raw response has been read; it may not be JSON.
        # Not getattr: pydantic is slow for attributes that do not exist.
        response = getattr(value, "__dict__", NOTHING).get("http_response")
        if response is None:
            add_result(value, result)
        elif _may_be_json(response) and (found := parsed(response.content)) is not None:
            add_result(found, result)

    def has_reason(self, chunk: Any) -> bool | None:
        fields = getattr(chunk, "__dict__", NOTHING)
        return "finish_reason" in fields if "choices" in fields and "usage" in fields else None

    def has_news(self, chunk: Any) -> bool:
        return not str(getattr(chunk, "__dict__", NOTHING).get("type")).endswith(".delta")

    def chunk(self, chunk: Any, result: Result) -> None:
        add_result(chunk, result)

    def failure_in(self, value: Any, seen: Any = None) -> Failure | None:
        if type(value) is dict:  # read by the caller, or requested instead of a model
            return failure_of_event(value, Answer() if seen is None else self.answer(seen))
        fields = getattr(value, "__dict__", NOTHING)
        if "choices" not in fields and (error := error_in(fields)) is not None:
            return failure_of_event(error, Answer() if seen is None else self.answer(seen))
        response = fields.get("http_response")
        if response is None and not getattr(value, "__pydantic_extra__", True):
            return None  # a model without undeclared fields
        if response is None and (isinstance(value, str) or hasattr(value, "status_code")):
            response = seen  # the caller requested the text or the response, not a model
        if response is not None:
            value = body_of(response) if _may_be_json(response) else None
        if (body := refusal_in(value)) is None:
            return None
        return refused(body, Answer() if seen is None else self.answer(seen))

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        response: Any = getattr(exc, "response", None)
        status = getattr(exc, "status_code", None)
        if status is None:
            response = refusal_behind(exc) if response is None else response
            status = getattr(response, "status_code", None)
        request = attribute_of(exc, "request")
        if response is not None and hasattr(response, "request"):
            answer = self.answer(response)
        elif request is not None and hasattr(request, "headers"):
            # An error event of a stream belongs to the stream's answer.
            answer = _sent(request) if seen is None else self.answer(seen)
        else:
            # The request was never built: it would have had the client's key.
            answer = Answer(authorization=_refused_header(exc) or f"Bearer {key}")
        body = getattr(exc, "body", None)
        if (source := response if response is not None else seen) is not None:
            # A dict with lower-case names: each lookup in httpx's headers scans all of them.
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in source.headers.raw
            }
            note_origin(answer, headers, body_of(source) or body)
        return failure_of(
            exc,
            status=status,
            body=body,
            answer=answer,
            sent=response is not None or request is not None,
        )

    def deferrable_host(self, client: Any, args: Args, kwargs: Kwargs) -> str | None:
        options = _options(args, kwargs)
        # Not if headers may replace the key.
        if isinstance(options.headers, dict) or getattr(client, "_custom_headers", None):
            return None
        return None if is_absolute(str(options.url)) else origin_of(client.base_url)[0]

    def is_whole(self, returned: Any) -> bool:
        fields = getattr(returned, "__dict__", NOTHING)
        return "response" not in fields and "http_response" not in fields

    def stream_of(self, returned: Any) -> Any:
        # Stream and AsyncStream read from this attribute in all versions.
        fields = getattr(returned, "__dict__", NOTHING)
        return fields.get("_iterator") if "response" in fields else None

    def open_body(self, returned: Any) -> OpenBody | None:
        # Raw and streaming responses wrap an httpx response.
        response = getattr(returned, "__dict__", NOTHING).get("http_response")
        if response is None or response.is_closed:
            return None
        return OpenBody(response)

    def with_stream(self, returned: Any, stream: Any, closed: Callable[[], None]) -> Any:
        # Keep the SDK's own object and replace only its source.
        returned._iterator = stream
        # Weakly: a strong reference would keep a stream that the caller dropped alive. ``close``
        # may outlive the stream and then closes its response.
        itself, response = weakref.ref(returned), returned.response

        def close(_source: Any = stream) -> None:
            closed()
            if (alive := itself()) is not None:
                type(alive).close(alive)
            else:
                response.close()

        async def aclose(_source: Any = stream) -> None:
            closed()
            if (alive := itself()) is not None:
                await type(alive).close(alive)
            else:
                await response.aclose()

        returned.close = aclose if hasattr(stream, "__anext__") else close
        return returned


def _may_be_json(response: Any) -> bool:
    return is_document(content_type_of(response))


def _sent(request: Any) -> Answer:
    answer, named = blank(Answer), by_name(request.headers)
    if (authorization := named.get(b"authorization")) is not None:
        answer.authorization = authorization.decode("latin-1")
    retries = named.get(b"x-stainless-retry-count", b"0")
    if retries != b"0" and retries.isdigit():
        answer.resends = int(retries)
    answer.host, answer.port, _ = origin_of(request.url)
    return answer


def _refused_header(exc: BaseException) -> str | None:
    """Return the Authorization header if it is the text that could not be encoded."""
    if isinstance(exc, UnicodeEncodeError) and isinstance(exc.object, str):
        return exc.object if exc.object.startswith("Bearer ") else None
    return None


def _options(args: Args, kwargs: Kwargs) -> Any:
    """Return the options of a request: the second argument of ``request``."""
    return kwargs.get("options", args[1] if len(args) > 1 else None)
