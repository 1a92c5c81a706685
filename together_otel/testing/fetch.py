"""A bounded HTTP request, to what may answer slowly, without an end, or not in HTTP."""

import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, TypeVar, cast
from urllib.parse import unquote, urlencode, urlsplit

T = TypeVar("T")

LIMIT: Final = 5.0
"""Seconds that a request may take, from the look-up of the name to the last byte."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes that a body may have."""

_CHUNK: Final = 65_536


class TooLarge(HTTPException):
    """The body has more than `LARGEST` bytes."""


class Fetched(NamedTuple):
    """An answer; ``kind`` is its media type in lower case, without parameters."""

    status: int
    reason: str
    kind: str
    body: bytes

    @property
    def text(self) -> str:
        """The body, whatever it is."""
        return self.body.decode("utf-8", "replace")


def fetch(
    url: str, *, accept: str = "*/*", form: Mapping[str, str] | None = None, limit: float = LIMIT
) -> Fetched:
    """Send one request: neither by a proxy of the environment, nor on to where it is redirected.

    Args:
        url: of http or https; a user name and password in it are sent.
        accept: the media type to ask for.
        form: fields to post; a GET without them.
        limit: seconds.

    Raises:
        TimeoutError: when it takes longer.
        TooLarge: when more is sent than is read.
        HTTPException: when the answer is not HTTP.
        OSError: when there is no connection.
        ValueError: when there can be no such request.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("neither an http:// nor an https:// URL")
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname, parts.port, timeout=limit)
    headers = {"Accept": accept}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    method, sent = "GET", None
    if form is not None:
        method, sent = "POST", urlencode(form)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    deadline = time.monotonic() + limit

    def ask() -> Fetched:
        try:
            connection.request(method, path, sent, headers)
            with connection.getresponse() as response:
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return Fetched(response.status, response.reason, kind, _body(response, deadline))
        finally:
            connection.close()

    try:
        return within(limit, ask)
    except TimeoutError:
        if (held := connection.sock) is not None:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        raise


def within(limit: float, work: Callable[[], T]) -> T:
    """Return what a function returns; it runs in a thread of its own.

    Nothing else puts a limit to a look-up of a name, to headers that drip, or to a parser.

    Args:
        limit: seconds, after which the thread is left to itself.
        work: the function; what it raises is raised here.

    Raises:
        TimeoutError: when it takes longer.
    """
    ended: SimpleQueue[tuple[T, None] | tuple[None, Exception]] = SimpleQueue()

    def run() -> None:
        try:
            ended.put((work(), None))
        except Exception as exc:  # noqa: BLE001 - the caller's
            ended.put((None, exc))

    threading.Thread(target=run, name="together-otel-fetch", daemon=True).start()
    try:
        found, exc = ended.get(timeout=max(limit, 0.0))
    except Empty:
        raise TimeoutError from None
    if exc is not None:
        raise exc
    return cast("T", found)


def _body(response: HTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    while part := response.read1(_CHUNK):
        body += part
        if len(body) > LARGEST:
            raise TooLarge
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)
