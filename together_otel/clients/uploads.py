"""Adapters of file uploads: several requests, of which the transfer bypasses ``request``.

The transfer goes to external storage, without the key. Therefore the upload is a call of its own
around the SDK's calls to Together. These show whether the key is refused; the answer of storage to
the transfer does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from together_otel.clients.addresses import server_in
from together_otel.clients.base import Adapter, Failure, Request
from together_otel.clients.credentials import replace_key
from together_otel.clients.failures import (
    UNAUTHORIZED,
    chain,
    class_names,
    is_redirect,
    outcome_of_status,
)
from together_otel.clients.generated import Generated
from together_otel.clients.together_v1 import TogetherV1

if TYPE_CHECKING:
    from together_otel.clients.base import Answer, Args, Kwargs, Result

OPERATION = "files.upload"


def _storage_failure(adapter: Adapter, exc: BaseException) -> Failure | None:
    """Return the failure of a transfer that storage answered, ``None`` for any other failure."""
    for link in chain(exc):
        response = getattr(link, "response", None)
        # The transfer is a PUT; all requests of an upload to Together are POST.
        if response is not None and response.request.method == "PUT":
            answer = adapter.answer(response)
            outcome = outcome_of_status(answer.status_code or 0)
            # The SDK also fails if a successful answer of storage lacks required data.
            return Failure("server_error" if outcome == "success" else outcome, answer, sent=True)
    return None


def _unwrapped(exc: BaseException) -> BaseException:
    """Return the original error: for a part of a file, the SDK raises a bare ``Exception``."""
    while type(exc) is Exception and exc.__context__ is not None:
        exc = exc.__context__
    return exc


class _Uploads(Adapter):
    """Base of the adapters of upload managers, which have their client in ``_client``."""

    composed = True
    recovers = False

    def key(self, client: Any) -> object:
        return super().key(client._client)

    def request(self, client: Any, _args: Args, _kwargs: Kwargs) -> Request:
        owner = client._client
        request = Request(OPERATION, *server_in(urlsplit(str(owner.base_url))))
        replace_key(request, getattr(owner, "supplied_headers", None), "supplied_headers")
        return request

    def override(self, client: Any, request: Request, answer: Answer) -> str | None:
        return super().override(client._client, request, answer)

    def result(self, value: Any, result: Result) -> None:
        pass  # the result describes the file

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        return _storage_failure(self, exc) or super().failure(_unwrapped(exc), seen, key)


class GeneratedUploads(_Uploads, Generated):
    """Adapter of the upload managers of 2.x and 3.x."""

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        failure = super().failure(exc, seen, key)
        if is_redirect(failure.answer.status_code):
            # Together's redirect to storage, without a location.
            failure.outcome = "server_error"
        return failure


class TogetherV1Uploads(_Uploads, TogetherV1):
    """Adapter of the upload managers of 1.x."""

    def failure(self, exc: BaseException, seen: Any, key: object) -> Failure:
        failure = super().failure(exc, seen, key)
        status = getattr(exc, "http_status", None)
        failure.answer.status_code = failure.answer.status_code or status
        if status == UNAUTHORIZED and "AuthenticationError" not in class_names(exc):
            # The SDK raises AuthenticationError if Together refuses the key; this was storage.
            return Failure(outcome_of_status(status), failure.answer)
        return failure
