"""HTTP requests with limits, for servers that may be slow, endless, or not HTTP at all."""

import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple, TypeVar, cast
from urllib.parse import unquote, urlsplit

T = TypeVar("T")

LIMIT: Final = 5.0
"""Timeout of a request in seconds, from the DNS lookup to the last byte."""
LARGEST: Final = 16 * 1024 * 1024
"""Maximum size of a body in bytes."""

_CHUNK: Final = 65_536


class TooLarge(HTTPException):
    """The body has more than `LARGEST` bytes."""


class Fetched(NamedTuple):
    """An HTTP response; ``kind`` is its media type in lower case, without parameters."""

    status: int
    reason: str
    kind: str
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, with invalid UTF-8 replaced."""
        return self.body.decode("utf-8", "replace")


def fetch(url: str, *, accept: str = "*/*", limit: float = LIMIT) -> Fetched:
    """Send one GET, ignoring proxies in the environment and without following redirects.

    A user name and password in the URL are sent as basic auth.

    Raises:
        TimeoutError: if it takes longer than ``limit`` seconds.
        TooLarge: if the body has more than `LARGEST` bytes.
        HTTPException: if the response is not valid HTTP.
        OSError: if the connection fails.
        ValueError: if the URL is not valid.
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
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    deadline = time.monotonic() + limit

    def ask() -> Fetched:
        try:
            connection.request("GET", path, headers=headers)
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
    """Call a function in a separate thread; return its result or raise its exception.

    A socket timeout does not limit a DNS lookup, headers that arrive byte by byte, or a parser.
    Raises `TimeoutError` after ``limit`` seconds; the thread is not stopped.
    """
    ended: SimpleQueue[tuple[T, None] | tuple[None, Exception]] = SimpleQueue()

    def run() -> None:
        try:
            ended.put((work(), None))
        except Exception as exc:  # noqa: BLE001 - raised again in the caller's thread
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
