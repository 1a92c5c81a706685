"""Scriptable behaviours of a ``TogetherServer``.

Each function returns a ``Behaviour`` for ``server.script(…)`` or ``server.always(…)``::

    server.script(behaviours.rate_limited(), behaviours.refuse("html"))
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from together_otel.testing.exchange import (
    Exchange,
    Plan,
    ReceivedRequest,
    Reply,
    frame_of,
    json_reply,
)

Behaviour: TypeAlias = Callable[[Exchange], Plan]
"""Decides the server's reply to one request."""

RefusalForm = Literal["together", "text", "html", "error_text", "message"]
"""Form of a refusal's body: Together's own, or one that gateways send."""

REFUSAL_FORMS: tuple[RefusalForm, ...] = get_args(RefusalForm)

UNAUTHORIZED = 401
FORBIDDEN = 403

INVALID_KEY = (
    "Invalid API key provided. You can find your API key at "
    "https://api.together.xyz/settings/api-keys."
)
MISSING_KEY = (
    "Missing API key. You need to provide your API key in an Authorization header using "
    "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)"
)


def _fixed(reply: Reply | None) -> Behaviour:
    return lambda _: Plan(reply)


def usual() -> Behaviour:
    """Accept or refuse the request depending on its key. This is the server's default."""
    return lambda exchange: Plan(exchange.usual())


def accept() -> Behaviour:
    """Accept the request, whatever its key."""
    return lambda exchange: Plan(exchange.answer())


def refuse(
    form: RefusalForm = "together",
    *,
    status: int = UNAUTHORIZED,
    headers: Mapping[str, str] | None = None,
) -> Behaviour:
    """Refuse the key: with ``missing_api_key`` if none was sent, else with ``invalid_api_key``.

    Args:
        form: ``"together"`` for Together's body, or that of another server: plain text, an HTML
            page, ``{"error": "text"}`` or ``{"message": "text"}``.
        status: HTTP status.
        headers: additional response headers, such as ``{"x-should-retry": "true"}``.
    """
    more = tuple((headers or {}).items())
    text = "Unauthorized"
    page = f"<html><head><title>{status} {text}</title></head><body>{text}</body></html>"
    if form == "together":
        return lambda exchange: Plan(replace(refusal(exchange.request, status), headers=more))
    if form == "text":
        return _fixed(Reply(status, text.encode(), "text/plain", more, foreign=True))
    if form == "html":
        return _fixed(Reply(status, page.encode(), "text/html", more, foreign=True))
    body = {"error": text} if form == "error_text" else {"message": text}
    return _fixed(replace(json_reply(body, status, headers), foreign=True))


def echo_key() -> Behaviour:
    """Refuse with 401 and a message that contains the received key."""

    def plan(exchange: Exchange) -> Plan:
        message = f"Invalid API key provided: {sent_key(exchange.request)}."
        return Plan(refusal(exchange.request, message=message))

    return plan


def lose_key() -> Behaviour:
    """Refuse as if no key was sent, as when a proxy in front of the server removes it."""
    return error(UNAUTHORIZED, MISSING_KEY, code="missing_api_key")


def forbidden_key(status: int = FORBIDDEN) -> Behaviour:
    """Refuse the key with 403 or 400, which Together's error codes allow besides 401."""
    return refuse(status=status)


def forbidden_context() -> Behaviour:
    """Reply with Together's 403 for a prompt that is too long, which is not about the key."""
    return error(FORBIDDEN, "Input validation error: the prompt exceeds the model's context length")


def payment_required() -> Behaviour:
    """Reply with 402: the account's spending limit is reached."""
    return error(402, "You have reached your spending limit", kind="credit_limit")


def rate_limited(retry_after: float = 0.01) -> Behaviour:
    """Reply with 429 and a ``Retry-After`` in seconds."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(retry_after)}
    return error(
        429,
        "Rate limit exceeded",
        kind="rate_limit",
        headers=headers | {"Retry-After": str(retry_after)},
    )


def server_error(status: int = 500, retry_after: float = 0.01) -> Behaviour:
    """Reply with 5xx and a ``Retry-After`` in seconds, as clients otherwise wait longer."""
    headers = {"Retry-After": str(retry_after)}
    return error(status, "Internal server error", kind="server_error", headers=headers)


def error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Behaviour:
    """Reply with an error in Together's format."""
    return _fixed(json_reply(_error_body(message, code, kind), status, headers))


def slow(seconds: float, *, after: int = 0) -> Behaviour:
    """Reply as `usual`, with a pause: before the status line, or after ``after`` stream frames.

    ``server.release()`` ends the pause early; ``server.close()`` ends it without a reply.
    """
    return lambda exchange: Plan(exchange.usual(), pause=seconds, pause_after=after)


def cut_stream(after: int = 2) -> Behaviour:
    """Close the connection after ``after`` frames of a stream, or halfway through a plain body."""
    return lambda exchange: Plan(_begun(exchange.usual(), after), cut=True)


def error_frame(
    after: int = 2, code: str | None = "invalid_api_key", message: str = INVALID_KEY
) -> Behaviour:
    """End a stream, whose status is 200, after ``after`` frames with an error of Together's."""
    last = frame_of(_error_body(message, code))
    return lambda exchange: Plan(_begun(exchange.usual(), after, last))


def _begun(reply: Reply, after: int, *last: bytes) -> Reply:
    """Return a stream with its first ``after`` frames and ``last``; other replies unchanged."""
    return reply if reply.frames is None else replace(reply, frames=(*reply.frames[:after], *last))


def redirect(to: str, status: int = 307) -> Behaviour:
    """Redirect to a URL. The request's path is added to a URL without a path."""

    def plan(exchange: Exchange) -> Plan:
        parts = urlsplit(to)
        whole = parts.netloc and not parts.path.strip("/")
        location = to.rstrip("/") + exchange.request.path if whole else to
        return Plan(Reply(status, headers=(("Location", location),)))

    return plan


def drop_connection() -> Behaviour:
    """Close the connection without a response."""
    return _fixed(None)


def custom(
    status: int,
    body: object = b"",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str | None = None,
    foreign: bool = False,
) -> Behaviour:
    """Reply with any response.

    Args:
        status: HTTP status.
        body: bytes (``application/octet-stream``), a string (``text/plain``), or another value,
            which is sent as JSON.
        headers: additional response headers.
        content_type: content type that replaces the body's default.
        foreign: leave out the header that identifies Together's responses.
    """
    if isinstance(body, bytes):
        reply = Reply(status, body, "application/octet-stream")
    elif isinstance(body, str):
        reply = Reply(status, body.encode(), "text/plain")
    else:
        reply = json_reply(body, status)
    more = tuple((headers or {}).items())
    kind = content_type or reply.content_type
    return _fixed(replace(reply, headers=more, content_type=kind, foreign=foreign))


def refusal(
    request: ReceivedRequest, status: int = UNAUTHORIZED, message: str | None = None
) -> Reply:
    """Return Together's refusal of an invalid or missing key."""
    if sent_key(request):
        return json_reply(_error_body(message or INVALID_KEY, "invalid_api_key"), status)
    return json_reply(_error_body(message or MISSING_KEY, "missing_api_key"), status)


def sent_key(request: ReceivedRequest) -> str:
    """Return the text that was sent as the key, even if malformed; ``""`` if none."""
    return (request.authorization or "").removeprefix("Bearer").strip()


def _error_body(
    message: str, code: str | None, kind: str = "invalid_request_error"
) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
