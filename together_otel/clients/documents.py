"""Parsing of the body of an HTTP response: a JSON document or server-sent events."""

import json
import re
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

MOST: Final = 8 * 1024 * 1024
"""Maximum number of bytes of a body that are parsed or kept for parsing."""

DONE: Final = b"[DONE]"
"""The last event of a stream."""

_FIRST_BYTES: Final = {"gzip": b"\x1f", "x-gzip": b"\x1f", "deflate": b"x"}
_TEXT: Final = b"{[:de\r\n\t "
"""Bytes that JSON or an event stream may begin with."""

_FIELD: Final = b"data:"
_decode: Final = json.JSONDecoder().raw_decode
_NEWS: Final = re.compile(
    rb'"(?:usage|error|finish_reason)"\s*:\s*(?!null|\s)|"index"\s*:\s*0*[1-9]'
    rb'|"type"\s*:\s*"(?:error|response\.(?:completed|incomplete|failed))"'
)
"""Matches an event with more data than a piece of text. Quotes inside JSON strings are escaped."""


def has_news(event: bytes) -> bool:
    """Return whether an event after the first of a stream has more data than a piece of text."""
    return _NEWS.search(event) is not None


class Events:
    """Splits a stream into the data of its server-sent events while it is read."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Return the data of the events that a piece completes."""
        self._rest += data
        if b"\n" not in data and b"\r" not in data and len(self._rest) <= MOST:
            return ()  # a long line may arrive byte by byte
        *lines, rest = bytes(self._rest).splitlines(keepends=True) or [b""]
        if rest.endswith(b"\n"):
            lines.append(rest)
            rest = b""
        self._rest = bytearray(rest if len(rest) <= MOST else b"")
        return [line[len(_FIELD) :].strip() for line in lines if line.startswith(_FIELD)]


class Pieces:
    """Collects the pieces of a body while it is read, up to `MOST` bytes."""

    __slots__ = ("_kept", "_size")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Add a piece."""
        self._size += len(data)
        if self._size <= MOST:
            self._kept.append(data)

    def take(self) -> bytes:
        """Return all pieces joined, and forget them."""
        content, self._kept = b"".join(self._kept), []
        return content


def inflating(encoding: str | None) -> Callable[[bytes], bytes] | None:
    """Return a decoder for the pieces of a body that the caller may read compressed.

    ``None`` unless the Content-Encoding is gzip or deflate.
    """
    first = _FIRST_BYTES.get((encoding or "").strip().lower())
    return None if first is None else _Inflating(first).feed


class _Inflating:
    """Decodes a body, unless its first byte shows that it is already decoded text."""

    def __init__(self, first: bytes) -> None:
        self._first, self._window = first, zlib.MAX_WBITS | 32
        self._inflate = zlib.decompressobj(self._window)
        self._is_packed: bool | None = None

    def feed(self, data: bytes) -> bytes:
        if self._is_packed is None and data:
            self._is_packed = data.startswith(self._first)
            # Some servers send deflate without zlib's header.
            if not self._is_packed and self._first == b"x" and data[:1] not in _TEXT:
                self._is_packed, self._window = True, -zlib.MAX_WBITS
                self._inflate = zlib.decompressobj(self._window)
        if not self._is_packed:
            return data
        decoded = b""
        with suppress(zlib.error):
            while data and len(decoded) < MOST:
                decoded += self._inflate.decompress(data, MOST)
                data = self._inflate.unused_data
                if self._inflate.eof:  # another gzip member may follow
                    self._inflate = zlib.decompressobj(self._window)
        return decoded


def parsed(text: bytes | str) -> dict[str, Any] | None:
    """Return a JSON object; ``None`` for anything else."""
    for read in (_read, json.loads):
        try:
            found = read(text)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else None
    return None


def _read(text: bytes | str) -> object:
    """Parse JSON in UTF-8 without surrounding whitespace, in half the time of ``json.loads``."""
    whole = text if isinstance(text, str) else text.decode()
    found, end = _decode(whole)
    if end != len(whole):
        raise ValueError(end)
    return found


def documents_in(content_type: str, content: bytes) -> Iterable[dict[str, Any]]:
    """Return the JSON objects of a whole body: a document, or the first event and those with news."""
    if len(content) > MOST:
        return ()
    if not is_stream(content_type):
        found = parsed(content) if is_document(content_type) else None
        return () if found is None else (found,)
    events = (one for one in Events().feed(content + b"\n") if one and one != DONE)
    texts = (one for place, one in enumerate(events) if not place or has_news(one))
    return (found for one in texts if (found := parsed(one)) is not None)


def is_document(content_type: str) -> bool:
    """Return whether a body may be JSON, which some gateways label plain text."""
    return "json" in content_type or content_type.startswith("text/plain")


def is_stream(content_type: str) -> bool:
    """Return whether a body consists of server-sent events."""
    return content_type.startswith("text/event-stream")
