"""What an exception or an answer means, in whichever generation's words it is said.

An authentication failure is recognised by what happened, not by the exception's class: empty
keys surface as connection errors, odd characters as ``UnicodeEncodeError``. Past 300 lines, as what
is told of exceptions and of answers is to agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final

from together_otel.clients.answers import answer_of, body_of, note_origin
from together_otel.clients.base import AUTH_CODES, Answer, AuthKind, Failure
from together_otel.keys import can_be_sent

if TYPE_CHECKING:
    from together_otel.names import Outcome

BITS = 64
"""Bits of a signed integer, its sign included: a longer one would end the export of a batch."""

FIRST_ERROR = 400
_REDIRECTS = 300
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
    {
        "APITimeoutError",
        "RealtimeIdleTimeoutError",
        "ServerTimeoutError",
        "Timeout",
        "TimeoutError",
        "TimeoutException",
    }
)
_CONNECTION_ERRORS = frozenset(
    {
        "APIConnectionError",
        "ClientError",
        "ConnectionError",
        "ProtocolError",
        "RealtimeConnectionError",
        "RequestException",
        "TransportError",
        "WebSocketException",
    }
)
# asyncio, concurrent.futures · trio · gevent
_CANCELLATIONS = frozenset(
    {"CancelledError", "Cancelled", "GreenletExit", "GeneratorExit"}
    | {"KeyboardInterrupt", "SystemExit"}
)


def chain(exc: BaseException, *, inside: bool = False) -> Iterator[BaseException]:
    """Yield an exception, then its causes or contexts and the members of groups; each once.

    Args:
        exc: the exception.
        inside: whether contexts are left out that the caller was handling meanwhile.
    """
    seen: set[int] = set()
    waiting = [exc]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        before = current.__cause__ or current.__context__
        if before is not None and (
            not inside or current.__cause__ or _was_caught_inside(before, current)
        ):
            waiting.append(before)
        members = getattr(current, "exceptions", ())
        if isinstance(members, tuple):
            waiting += [one for one in reversed(members) if isinstance(one, BaseException)]


def _was_caught_inside(context: BaseException, exc: BaseException) -> bool:
    """Return whether an exception was caught by one of the functions that another one left."""
    caught = context.__traceback__
    return caught is not None and any(
        frame is caught.tb_frame for frame, _ in walk_tb(exc.__traceback__)
    )


def class_names(exc: BaseException) -> frozenset[str]:
    """Return the names of an exception's classes, which hold across versions of an SDK."""
    return frozenset(cls.__name__ for cls in type(exc).__mro__)


def error_code(body: object) -> str | None:
    """Return the ``code`` of an error body, whole (``{"error": {…}}``) or its inner part.

    Where there is none, the type, or an error that is all text, stands for it.
    """
    if isinstance(body, Mapping):
        inner = body.get("error")
        if isinstance(inner, Mapping):
            code = inner.get("code") or inner.get("type")
        else:
            code = body.get("code") or inner
        return str(code) if isinstance(code, (str, int)) else None
    return None


def header_does_not_fit(exc: BaseException, authorization: str | None) -> bool:
    """Return whether ``exc`` says that the Authorization header could not be sent.

    Both must hold: an error of the kind that HTTP libraries raise for a header, and a value
    that cannot be one. Another header may be the bad one; a server may just be down.
    """
    if authorization is None or can_be_sent(authorization.removeprefix("Bearer ")):
        return False
    return any(not _HEADER_ERRORS.isdisjoint(class_names(link)) for link in chain(exc))


def outcome_of(exc: BaseException, status: int | None) -> Outcome:
    """Return the outcome of a call that failed for another reason than its key."""
    names = class_names(exc)
    if not _CANCELLATIONS.isdisjoint(names):
        return "cancelled"
    # Of an answer that is good as HTTP goes, the SDK could make nothing.
    if status is not None and status >= _REDIRECTS:
        return "client_error" if is_redirect(status) else outcome_of_status(status)
    # What happened is the innermost cause: httpx-aiohttp calls a dropped connection a timeout.
    for link in reversed(list(_evidence(exc))):
        names = class_names(link)
        if not _TIMEOUTS.isdisjoint(names):
            return "timeout"
        if not _CONNECTION_ERRORS.isdisjoint(names):
            return "connection_error"
    if not isinstance(exc, Exception):
        return "cancelled"  # a worker's limit or shutdown: nothing that the call could raise
    return "server_error" if "APIError" in names else "client_error"


def _evidence(exc: BaseException) -> Iterator[BaseException]:
    """Yield what an exception came of, and what requests hands on as an argument of it."""
    for link in chain(exc, inside=True):
        yield link
        yield from (given for given in link.args if isinstance(given, BaseException))


def is_redirect(status: int | None) -> bool:
    """Return whether an HTTP status sends the client elsewhere, which it did not follow."""
    return status is not None and _REDIRECTS <= status < FIRST_ERROR


def outcome_of_status(status: int) -> Outcome:
    """Return the outcome that an HTTP status stands for, its key apart.

    A redirect that the client asked not to follow is an answer.
    """
    if status < FIRST_ERROR:
        return "success"
    other: Outcome = "server_error" if status >= _SERVER_ERRORS else "client_error"
    return _OUTCOMES.get(status, other)


def failure_of(
    exc: BaseException, *, status: int | None, body: object, answer: Answer, sent: bool
) -> Failure:
    """Decide what a failed call was.

    Args:
        exc: the exception as it left the SDK.
        status: HTTP status, where there was an answer.
        body: the answer's body as the SDK parsed it.
        answer: what is known of the request and its answer.
        sent: whether ``answer.authorization`` is known to be what went, or should have gone, out.
    """
    code = error_code(body)
    auth = auth_kind(status, code)
    if auth is None and status is None and header_does_not_fit(exc, answer.authorization):
        auth = "unsendable"
    outcome: Outcome = "auth_failure" if auth else outcome_of(exc, status)
    return Failure(outcome, answer, auth=auth, sent=sent, code=code)


def failure_over_http(exc: BaseException, key: object) -> Failure:
    """Decide what failed by an exception that an HTTP library raised, or that came from its own.

    Args:
        exc: the exception as it left the client.
        key: what the request was, or should have been, sent with.
    """
    answer, body = Answer(), _attribute(exc, "body")
    if body:
        note_origin(answer, {}, body)
    else:
        body = {"code": _attribute(exc, "code")}
    for link in chain(exc, inside=True):
        response = link if hasattr(link, "request_info") else _response_of(link)
        if response is not None and (found := _answered(response)) is not None:
            answer, body = found, body_of(response) or body
            break
        if answer.status_code is None:
            answer.status_code = _status_of(link) or _status_of(response)
    # Of what it came from, 401 only: aiohttp's parser has codes for what it cannot read.
    answer.status_code = answer.status_code or _number_of(exc, "code")
    if answer.status_code is None:
        codes = (_number_of(link, "code") for link in chain(exc, inside=True))
        if "AuthenticationError" in class_names(exc) or UNAUTHORIZED in codes:
            answer.status_code = UNAUTHORIZED
    sent = answer.authorization is not None
    if not sent:
        # It may be handed over in another way than the SDK's.
        answer.authorization = f"Bearer {key}"
    return failure_of(exc, status=answer.status_code, body=body, answer=answer, sent=sent)


def failure_returned(value: Any) -> Failure | None:
    """Describe the failure that an HTTP library's response is; ``None`` for all else."""
    answer = _answered(value) if hasattr(value, "headers") else None
    if answer is None or (status := answer.status_code or 0) < FIRST_ERROR:
        return None
    return failure_answered(answer, status, body_of(value))


def failure_answered(answer: Answer, status: int, body: object) -> Failure:
    """Describe the failure that an answer is, by its status, an error's, and its body."""
    code = error_code(body)
    auth = auth_kind(status, code)
    outcome: Outcome = "auth_failure" if auth else outcome_of_status(status)
    return Failure(outcome, answer, auth=auth, sent=True, code=code)


def _attribute(holder: Any, name: str) -> Any:
    """Return an attribute, ``None`` where there is none or a property of that name fails."""
    with suppress(Exception):
        return getattr(holder, name, None)
    return None


def _response_of(exc: BaseException) -> Any:
    found = (_attribute(exc, name) for name in _RESPONSE_NAMES)
    return next((one for one in found if one is not None), None)


def _status_of(holder: Any) -> int | None:
    """Return the HTTP status that an error, or a response, has."""
    return next(filter(None, (_number_of(holder, name) for name in _STATUS_NAMES)), None)


def _number_of(holder: Any, name: str) -> int | None:
    return integer(_attribute(holder, name))


def _answered(response: Any) -> Answer | None:
    """Describe what may be a response; ``None`` where it is not like one."""
    try:
        answer = answer_of(response)
        note_origin(answer, response.headers, body_of(response))
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return None
    return answer


def auth_kind(status: int | None, code: str | None) -> AuthKind | None:
    """Return ``refused`` when status or error code says that the key was refused."""
    return "refused" if status == UNAUTHORIZED or code in AUTH_CODES else None


def refusal_in(value: Any) -> Mapping[str, Any] | None:
    """Return the body of an answer, good as HTTP goes, that refuses the key; ``None`` for others.

    Args:
        value: the body, or what the SDK made of it.
    """
    # None of the SDK's models declares an error of this kind.
    extra = value if isinstance(value, dict) else getattr(value, "__pydantic_extra__", None)
    if not extra or not ("error" in extra or "code" in extra):
        return None
    return extra if error_code(extra) in AUTH_CODES else None


def refused(body: Mapping[str, Any], answer: Answer) -> Failure:
    """Return the failure that such a body is, with what else is known of its answer."""
    note_origin(answer, {}, body.get("error", body))
    sent = answer.status_code is not None
    return Failure("auth_failure", answer, auth="refused", sent=sent, code=error_code(body))


def integer(value: Any) -> int | None:
    """Return ``value`` as an int of 64 bits where it is one (also in digits), else ``None``."""
    try:
        found = int(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return found if found.bit_length() < BITS else None
