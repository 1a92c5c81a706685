"""Adapter of `together` 1.x, which is hand-written on requests (sync) and aiohttp (async).

A call is one ``APIRequestor.request`` or ``arequest``; file transfers call ``request_raw``
directly. Exceptions often have less data than the answer, so the answer (``seen``) is kept and
supplies what the exception lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from together_otel.clients.addresses import server_in
from together_otel.clients.answers import answer_of, body_of, is_basic, note_origin
from together_otel.clients.base import Adapter, Answer, Failure, GivenKey
from together_otel.clients.credentials import first_nonempty_key, key_in, replace_key
from together_otel.clients.documents import parsed
from together_otel.clients.failures import (
    FIRST_ERROR,
    failure_of,
    outcome_of_status,
    refusal_in,
    refused,
)
from together_otel.clients.operations import operation_of
from together_otel.clients.payloads import add_result, described, ratelimits
from together_otel.clients.wire import failure_of_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from together_otel.clients.base import Args, Kwargs, Request, Result


def _options(args: Args, kwargs: Kwargs) -> Any:
    """Return the options of a request: the first argument of ``request`` and similar methods."""
    return kwargs.get("options", args[0] if args else None)


TRANSFER = "files.transfer"
"""The operation of the transfer of a file's bytes to the storage URL that Together returned."""


class TogetherV1(Adapter):
    """Adapter of the 1.x client; ``client`` is a call's ``APIRequestor``."""

    recovers = True
    error_modules: ClassVar[tuple[str, ...]] = ("together.error",)

    def given_key(self, client: Any, _args: Args, kwargs: Kwargs) -> GivenKey:
        given = first_nonempty_key(kwargs.get("api_key"))
        inner = getattr(client, "client", None)
        if not given.value and (resolved := getattr(inner, "api_key", None)):
            given = GivenKey(resolved, "colab")
        return key_in(kwargs.get("supplied_headers")) or given

    def host(self, client: Any) -> str | None:
        return urlsplit(str(client.client.base_url)).hostname

    def made_for(self, requestor: Any, client: Any) -> None:
        """Store the client of a requestor on it; the SDK does not."""
        requestor._together_otel_client = client

    def set_key(self, client: Any, key: object) -> bool:
        # The client of the requestor has the key as well.
        client.api_key = key
        if (owner := self.shared(client)) is not client:
            owner.api_key = key
        return True

    def shared(self, client: Any) -> Any:
        # The SDK creates everything of one client with the same inner object.
        owner = getattr(client, "_together_otel_client", None) or getattr(client, "client", None)
        return client if owner is None else owner

    def bodies(self, args: Args, kwargs: Kwargs) -> Iterable[object]:
        options = _options(args, kwargs)
        return getattr(options, "params", None), getattr(options, "files", None)

    def request(self, client: Any, args: Args, kwargs: Kwargs) -> Request:
        options = _options(args, kwargs)
        url = str(getattr(options, "url", ""))
        parts = urlsplit(url if "://" in url else str(client.api_base))
        # An absolute URL is a storage URL for a file, whose path consists of ids.
        operation = operation_of(getattr(options, "method", "get"), url)
        if kwargs.get("absolute"):
            operation = TRANSFER
        body = getattr(options, "params", None)
        request = described(operation, *server_in(parts), body)
        headers = getattr(options, "headers", None) or client.supplied_headers
        replace_key(request, headers, "supplied_headers")
        return request

    def override(self, client: Any, request: Request, answer: Answer) -> str | None:
        if request.override is not None or not is_basic(answer):
            return request.override
        # requests takes credentials from the URL, else from the host's entry in a netrc file.
        return "base_url" if "@" in urlsplit(str(client.api_base)).netloc else "netrc"

    def answer(self, seen: Any) -> Answer:
        answer = answer_of(seen)
        answer.request_id = answer.request_id or seen.headers.get("CF-RAY")
        answer.ratelimits = ratelimits(seen.headers.get)
        return answer

    def result(self, value: Any, result: Result) -> None:
        response = value[0] if isinstance(value, tuple) else value
        add_result(getattr(response, "data", None), result)

    def has_news(self, chunk: Any) -> bool:
        try:
            data = chunk.data
            for choice in data["choices"]:
                if choice["finish_reason"] is not None or choice["index"]:
                    return True
            return any(data.get(name) is not None for name in ("error", "usage", "finish_reason"))
        except (AttributeError, KeyError, TypeError):
            return True

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        answer = Answer(authorization=f"Bearer {key}") if seen is None else self.answer(seen)
        status, body = getattr(exc, "http_status", None), None
        if (answer.status_code or 0) >= FIRST_ERROR:
            status = answer.status_code if status is None else status
            body = body_of(seen)
            note_origin(answer, seen.headers, body)
        if not body and (said := getattr(exc, "api_response", None)) is not None:
            body = {"code": getattr(said, "code", None)}
        return failure_of(
            exc, status=status, body=body, answer=answer, sent=answer.status_code is not None
        )

    def failure_in(self, value: Any, seen: Any = None) -> Failure | None:
        # ``request_raw`` returns errors, and streams yield them.
        if hasattr(value, "status_code"):
            return self._refused_transfer(value)
        data = getattr(value[0] if isinstance(value, tuple) else value, "data", None)
        if not isinstance(data, dict):
            return None
        if data.keys() == {"message"}:  # the SDK's form of a plain text body
            data = parsed(str(data["message"])) or data
        answer = Answer() if seen is None else self.answer(seen)
        if refusal_in(data) is not None:
            return refused(data, answer)
        # With a status, the error is that of the job that was retrieved.
        failed = data.get("error") and not isinstance(data.get("status"), str)
        return Failure("server_error", answer) if failed else None

    def _refused_transfer(self, response: Any) -> Failure | None:
        failure = failure_of_answer(self.answer(response), response.headers, body_of(response))
        # A transfer is sent without the key to storage or, in a retry of the SDK's, to a wrong URL.
        if failure is not None and response.request.method == "PUT":
            outcome = outcome_of_status(failure.answer.status_code or 0)
            return Failure(outcome, failure.answer, sent=True)
        return failure

    def stream_of(self, returned: Any) -> Any:
        if isinstance(returned, tuple) and returned[1]:
            return returned[0]
        return None

    def with_stream(self, returned: Any, stream: Any, _closed: Callable[[], None]) -> Any:
        return (stream, *returned[1:])
