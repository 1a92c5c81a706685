"""Description of an HTTP response of any library, including whether Together sent it.

Matches by shape the responses of httpx, requests and aiohttp, and aiohttp's similar error.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlsplit

from together_otel.clients.addresses import in_url, server_in
from together_otel.clients.base import Answer
from together_otel.keys.hosts import is_of_together, is_sign_in

_NAME_AND_VALUE: Final = itemgetter(1, 2)
"""Takes the lower-case name and the value from a header in httpx's own list."""

_MOST: Final = 65_536
"""Maximum number of bytes of a body that are searched."""


def answer_of(response: Any) -> Answer:
    """Describe a response."""
    sent = request_of(response)
    authorization, (host, port) = authorization_of(sent), server_in(urlsplit(str(sent.url)))
    status = getattr(response, "status_code", None)
    return Answer(
        status if status is not None else response.status,
        response.headers.get("x-request-id"),
        authorization=authorization,
        host=host,
        port=port,
        redirected_from=redirected_from(getattr(response, "history", None), authorization),
    )


def authorization_of(request: Any) -> str | None:
    """Return the Authorization header of a request that was sent."""
    value = request.headers.get("Authorization")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def by_name(headers: Any) -> dict[bytes, bytes]:
    """Return httpx's headers by their lower-case names: each lookup in them scans all."""
    kept = getattr(headers, "_list", None)
    if kept is None:
        return {name.lower(): value for name, value in headers.raw}
    return dict(map(_NAME_AND_VALUE, kept))


def header_in(headers: Any, name: str) -> Any:
    """Return a header by its lower-case name."""
    if not hasattr(headers, "_list"):
        return headers.get(name)
    value = by_name(headers).get(name.encode())
    return None if value is None else value.decode() if value.isascii() else headers.get(name)


def redirected_from(history: Any, authorization: str | None) -> str | None:
    """Return the host and port of the first request, if a redirect dropped its key.

    ``history`` has the redirect responses in order, ``authorization`` is the last request's.
    """
    if not history or authorization is not None:
        return None
    first = request_of(history[0])
    if authorization_of(first) is None:
        return None
    # Not the whole authority, which may contain a password.
    parts = urlsplit(str(first.url))
    host = in_url(parts.hostname or "")
    return host if parts.port is None else f"{host}:{parts.port}"


def is_basic(answer: Answer) -> bool:
    """Return whether a user name and password were sent instead of a key."""
    return (answer.authorization or "").startswith("Basic ")


def request_of(response: Any) -> Any:
    """Return the request of a response."""
    return getattr(response, "request_info", None) or response.request


def body_of(response: Any) -> object:
    """Return the part of a response's body that has been read: its JSON, else bytes."""
    for name in ("_content", "_body", "body"):  # httpx and requests, aiohttp, websockets
        content = getattr(response, name, None)
        if isinstance(content, (bytes, bytearray)):
            return said_in(content)
    return None


def said_in(content: bytes | bytearray) -> object:
    """Return the JSON of a body, else its first bytes."""
    if len(content) <= _MOST:
        with suppress(ValueError, RecursionError):
            return json.loads(content)
    return bytes(content[:_MOST])


def note_origin(answer: Answer, headers: Mapping[str, str], body: object) -> None:
    """Set ``from_together`` and ``sign_in`` of an error's answer.

    ``headers`` is a case-insensitive mapping, the body is parsed or bytes.
    """
    text = body.decode("latin-1") if isinstance(body, bytes) else str(body or "")
    text = text[:_MOST]
    answer.sign_in = is_sign_in(headers.get("content-type"), headers.get("www-authenticate"), text)
    # A proxy's page may repeat the URL of the request.
    answer.from_together = is_of_together(headers, "" if answer.sign_in else text)
