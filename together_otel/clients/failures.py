"""Classification of exceptions and answers of every generation of the SDK.

An authentication failure is recognised by what happened, not by the exception's class: an empty
key causes a connection error, unusual characters cause a ``UnicodeEncodeError``. Longer than 300
lines so that exceptions and answers are classified consistently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

from together_otel.clients.answers import answer_of, body_of, note_origin
from together_otel.clients.base import AUTH_CODES, EXPIRED_KEY, Answer, AuthKind, Failure
from together_otel.guard import swallowed
from together_otel.keys import can_be_sent

if TYPE_CHECKING:
    from together_otel.names import Outcome

BITS = 64
"""Bits of a signed integer, including its sign: a longer one makes the export of a batch fail."""

FIRST_ERROR = 400
_REDIRECTS = 300
_STATUSES = range(100, 600)
_STATUS_NAMES = "status_code", "status", "http_status"
_RESPONSE_NAMES = "response", "resp", "http_response"
UNAUTHORIZED = 401
_SERVER_ERRORS = 500
_OUTCOMES: Final[dict[int, Outcome]] = {
    402: "payment_required",
    408: "timeout",
    429: "rate_limited",
}

# httpx and h11 · requests · http.client, httpx · aiohttp
_HEADER_ERRORS = frozenset(
    {"LocalProtocolError", "InvalidHeader", "UnicodeEncodeError", "ValueError"}
)
_TIMEOUTS = frozenset(
    {"APITimeoutError", "RealtimeIdleTimeoutError", "ServerTimeoutError"}
    | {"Timeout", "TimeoutError", "TimeoutException"}
)
_CONNECTION_ERRORS = frozenset(
    {"APIConnectionError", "ClientError", "ConnectionError", "ProtocolError", "gaierror"}
    | {"RealtimeConnectionError", "RequestException", "SSLError", "TransportError", "URLError"}
    | {"WebSocketException"}
)
# asyncio, concurrent.futures · trio · gevent
_CANCELLATIONS = frozenset(
    {"CancelledError", "Cancelled", "GreenletExit", "GeneratorExit"}
    | {"KeyboardInterrupt", "SystemExit"}
)


def chain(exc: BaseException, *, inside: bool = False) -> Iterator[BaseException]:
    """Yield an exception, then its causes or contexts and the members of groups; each once.

    With ``inside``, without contexts that the caller was handling at the time.
    """
    seen: set[int] = set()
    waiting = [exc]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # Not tested for truth: an exception may define its own, or raise.
        cause, context = current.__cause__, current.__context__
        if cause is not None:
            waiting.append(cause)
        elif context is not None and (not inside or _was_caught_inside(context, current)):
            waiting.append(context)
        members = attribute_of(current, "exceptions")
        if isinstance(members, tuple):
            waiting += [one for one in reversed(members) if isinstance(one, BaseException)]


def _was_caught_inside(context: BaseException, exc: BaseException) -> bool:
    """Return whether a context was caught in a frame that the exception passed."""
    caught = context.__traceback__
    return caught is not None and any(
        frame is caught.tb_frame for frame, _ in walk_tb(exc.__traceback__)
    )


def class_names(exc: BaseException) -> frozenset[str]:
    """Return the names of an exception's classes, which are stable across versions of an SDK."""
    return frozenset(cls.__name__ for cls in type(exc).__mro__)


def error_code(body: object) -> str | None:
    """Return the ``code`` of an error body (``{"error": {…}}``) or of its inner part.

    Without a code, return the error's type, or the error itself if it is a string.
    """
    if isinstance(body, Mapping):
        inner = body.get("error")
        if (inner if isinstance(inner, Mapping) else body).get("type") == EXPIRED_KEY:
            return EXPIRED_KEY  # the code beside it is the HTTP status
        if isinstance(inner, Mapping):
            code = inner.get("code") or inner.get("type")
        else:
            code = body.get("code") or inner
        return str(code) if isinstance(code, (str, int)) else None
    return None


def header_does_not_fit(exc: BaseException, authorization: str | None) -> bool:
    """Return whether ``exc`` means that the Authorization header could not be sent.

    Requires both an error that HTTP libraries raise for a header and a value that is not a valid
    header: another header may be invalid, or the server may be down.
    """
    if authorization is None or can_be_sent(authorization.removeprefix("Bearer ")):
        return False
    return any(not _HEADER_ERRORS.isdisjoint(class_names(link)) for link in chain(exc))


def outcome_of(exc: BaseException, status: int | None) -> Outcome:
    """Return the outcome of a call that failed for a reason other than its key."""
    names = class_names(exc)
    if not _CANCELLATIONS.isdisjoint(names):
        return "cancelled"
    # With a status below 300, the SDK could not parse the answer.
    if status is not None and status >= _REDIRECTS:
        return "client_error" if is_redirect(status) else outcome_of_status(status)
    # The innermost cause decides: httpx-aiohttp reports a dropped connection as a timeout.
    for link in reversed(list(_evidence(exc))):
        names = class_names(link)
        if not _TIMEOUTS.isdisjoint(names):
            return "timeout"
        if not _CONNECTION_ERRORS.isdisjoint(names):
            return "connection_error"
    if not isinstance(exc, Exception):
        return "cancelled"  # by a worker's time limit or shutdown: the call does not raise these
    return "server_error" if "APIError" in names else "client_error"


def _evidence(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes, and exceptions in their arguments, as requests has them."""
    for link in chain(exc, inside=True):
        yield link
        given = attribute_of(link, "args") or ()
        yield from (one for one in given if isinstance(one, BaseException))


def is_redirect(status: int | None) -> bool:
    """Return whether an HTTP status is a redirect, which the client did not follow."""
    return status is not None and _REDIRECTS <= status < FIRST_ERROR


def outcome_of_status(status: int) -> Outcome:
    """Return the outcome for an HTTP status, not considering the key.

    A redirect that the client chose not to follow is a success.
    """
    if status < FIRST_ERROR:
        return "success"
    other: Outcome = "server_error" if status >= _SERVER_ERRORS else "client_error"
    return _OUTCOMES.get(status, other)


def failure_of(
    exc: BaseException, *, status: int | None, body: object, answer: Answer, sent: bool
) -> Failure:
    """Describe the failure of a call by the SDK's exception and the known data of its answer."""
    code = error_code(body)
    auth = auth_kind(status, code)
    if auth is None and status is None and header_does_not_fit(exc, answer.authorization):
        auth = "unsendable"
    outcome: Outcome = "auth_failure" if auth else outcome_of(exc, status)
    return Failure(outcome, answer, auth=auth, sent=sent, code=code)


def failure_over_http(exc: BaseException, key: object) -> Failure:
    """Describe a failure by an exception that an HTTP library raised or caused.

    ``key`` is the one that the request was, or would have been, sent with.
    """
    answer, body = Answer(), attribute_of(exc, "body")
    if body:
        note_origin(answer, {}, body)
    else:
        body = {"code": attribute_of(exc, "code")}
    for link in chain(exc, inside=True):
        response = link if hasattr(link, "request_info") else _response_of(link)
        if response is not None and (found := _answered(response)) is not None:
            answer, body = found, body_of(response) or body
            break
        if answer.status_code is None:
            answer.status_code = _status_of(link) or _status_of(response)
    # Of its causes' codes, only 401: aiohttp's parser has codes of its own for invalid answers.
    answer.status_code = answer.status_code or _number_of(exc, "code")
    if answer.status_code is None:
        codes = (_number_of(link, "code") for link in chain(exc, inside=True))
        if "AuthenticationError" in class_names(exc) or UNAUTHORIZED in codes:
            answer.status_code = UNAUTHORIZED
    sent = answer.authorization is not None
    if not sent:
        # The client may pass the key on in a different way than the SDK.
        answer.authorization = f"Bearer {key}"
    return failure_of(exc, status=answer.status_code, body=body, answer=answer, sent=sent)


def failure_returned(value: Any) -> Failure | None:
    """Describe an error response of an HTTP library; ``None`` for any other object."""
    answer = _answered(value) if hasattr(value, "headers") else None
    if answer is None or (status := answer.status_code or 0) < FIRST_ERROR:
        return None
    return failure_answered(answer, status, body_of(value))


def failure_answered(answer: Answer, status: int, body: object) -> Failure:
    """Describe an error answer by its status and body."""
    code = error_code(body)
    auth = auth_kind(status, code)
    outcome: Outcome = "auth_failure" if auth else outcome_of_status(status)
    return Failure(outcome, answer, auth=auth, sent=True, code=code)


def attribute_of(holder: Any, name: str) -> Any:
    """Return an attribute; ``None`` if it is missing or a property that raises, as httpx's do."""
    if name == "code" and hasattr(holder, "request_info"):
        return None  # aiohttp's status by another name, which warns that it is deprecated
    with swallowed:
        return getattr(holder, name, None)
    return None


def _response_of(exc: BaseException) -> Any:
    found = (attribute_of(exc, name) for name in _RESPONSE_NAMES)
    return next((one for one in found if one is not None), None)


def _status_of(holder: Any) -> int | None:
    """Return the HTTP status of an error or a response."""
    return next(filter(None, (_number_of(holder, name) for name in _STATUS_NAMES)), None)


def _number_of(holder: Any, name: str) -> int | None:
    """Return an attribute that is an HTTP status; others have codes of their own: databases, exits."""
    number = integer(attribute_of(holder, name))
    return number if number in _STATUSES else None


def _answered(response: Any) -> Answer | None:
    """Describe an object that may be a response; ``None`` if it does not resemble one."""
    try:
        answer = answer_of(response)
        note_origin(answer, response.headers, body_of(response))
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
    return answer


def auth_kind(status: int | None, code: str | None) -> AuthKind | None:
    """Return ``refused`` if the status or the error code means that the key was refused."""
    return "refused" if status == UNAUTHORIZED or code in AUTH_CODES else None


def refusal_in(value: Any) -> Mapping[str, Any] | None:
    """Return the body of a successful answer, or of its model, that refuses the key, else ``None``."""
    # No model of the SDK declares such an error: it is among the extra fields.
    extra = value if isinstance(value, dict) else getattr(value, "__pydantic_extra__", None)
    if not extra or not ("error" in extra or "code" in extra):
        return None
    return extra if error_code(extra) in AUTH_CODES else None


def refused(body: Mapping[str, Any], answer: Answer) -> Failure:
    """Describe the failure for a body that `refusal_in` returned, with its answer."""
    note_origin(answer, {}, body.get("error", body))
    sent = answer.status_code is not None
    return Failure("auth_failure", answer, auth="refused", sent=sent, code=error_code(body))


def integer(value: Any) -> int | None:
    """Return a number, or a string of digits, as a 64-bit int; ``None`` for anything else."""
    try:
        found = int(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return found if found.bit_length() < BITS else None
