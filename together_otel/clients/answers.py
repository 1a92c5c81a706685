"""An HTTP answer, of whichever library, and what in it shows who gave it.

Matched by shape: responses of httpx, requests and aiohttp, and aiohttp's error, which is one.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from together_otel.clients.addresses import in_url, server_in
from together_otel.clients.base import Answer
from together_otel.keys.hosts import is_of_together, is_sign_in

_MOST: Final = 65_536
"""Bytes of a body that are searched."""


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
    """Return the Authorization header that a request was sent with."""
    value = request.headers.get("Authorization")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def header_in(headers: Any, name: str) -> Any:
    """Return a header; httpx's own look-up of one walks them all, and decodes them."""
    if (kept := getattr(headers, "_list", None)) is None:
        return headers.get(name)
    wanted = name.encode()
    for _, found, value in kept:
        if found == wanted:
            return value.decode() if value.isascii() else headers.get(name)
    return None


def redirected_from(history: Any, authorization: str | None) -> str | None:
    """Return the host first asked, with its port, if the key was lost on a redirect from there.

    Args:
        history: the responses that redirected, in order.
        authorization: the header that the last request was sent with.
    """
    if not history or authorization is not None:
        return None
    first = request_of(history[0])
    if authorization_of(first) is None:
        return None
    # Not the whole authority, which may have a password in it.
    parts = urlsplit(str(first.url))
    host = in_url(parts.hostname or "")
    return host if parts.port is None else f"{host}:{parts.port}"


def is_basic(answer: Answer) -> bool:
    """Return whether user name and password were sent instead of a key."""
    return (answer.authorization or "").startswith("Basic ")


def request_of(response: Any) -> Any:
    """Return the request that a response is the answer to."""
    return getattr(response, "request_info", None) or response.request


def body_of(response: Any) -> object:
    """Return a response's body as far as it has been read: its JSON, else bytes."""
    for name in ("_content", "_body", "body"):  # httpx and requests, aiohttp, websockets
        content = getattr(response, name, None)
        if isinstance(content, (bytes, bytearray)):
            if len(content) <= _MOST:
                try:
                    return json.loads(content)
                except (ValueError, RecursionError):
                    pass
            return bytes(content[:_MOST])
    return None


def note_origin(answer: Answer, headers: Mapping[str, str], body: object) -> None:
    """Note in ``answer`` what in an error shows whose it is.

    Args:
        answer: of the error.
        headers: of the answer; looks names up in any case.
        body: parsed, or as it came.
    """
    text = body.decode("latin-1") if isinstance(body, bytes) else str(body or "")
    text = text[:_MOST]
    answer.sign_in = is_sign_in(headers.get("content-type"), headers.get("www-authenticate"), text)
    # A proxy's page may repeat the URL that was asked.
    answer.from_together = is_of_together(headers, "" if answer.sign_in else text)
