"""What the body of an HTTP answer says, as bytes: a JSON document, or server-sent events."""

import json
import re
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

MOST: Final = 8 * 1024 * 1024
"""Bytes of a body that are looked at, or are kept to be."""

DONE: Final = b"[DONE]"
"""The last event of a stream."""

_FIRST_BYTES: Final = {"gzip": b"\x1f", "x-gzip": b"\x1f", "deflate": b"x"}

_FIELD: Final = b"data:"
_decode: Final = json.JSONDecoder().raw_decode
_NEWS: Final = re.compile(
    rb'"(?:usage|error|finish_reason)"\s*:\s*(?!null|\s)|"index"\s*:\s*0*[1-9]'
    rb'|"type"\s*:\s*"(?:error|response\.(?:completed|incomplete|failed))"'
)
"""In an event that says more than a piece of text. Quotes in a text of JSON are escaped."""


def has_news(event: bytes) -> bool:
    """Return whether an event of a stream, not its first, says more than a piece of text."""
    return _NEWS.search(event) is not None


class Events:
    """Splits a stream into the data of its server-sent events, as it is read."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Return the data of the events that are complete with a piece."""
        self._rest += data
        if b"\n" not in data and b"\r" not in data and len(self._rest) <= MOST:
            return ()  # a long line may come byte by byte
        *lines, rest = bytes(self._rest).splitlines(keepends=True) or [b""]
        if rest.endswith(b"\n"):
            lines.append(rest)
            rest = b""
        self._rest = bytearray(rest if len(rest) <= MOST else b"")
        return [line[len(_FIELD) :].strip() for line in lines if line.startswith(_FIELD)]


class Pieces:
    """What is read of a body, kept as it is read: as much of it as is looked at."""

    __slots__ = ("_kept", "_size")

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        """Keep a piece."""
        self._size += len(data)
        if self._size <= MOST:
            self._kept.append(data)

    def take(self) -> bytes:
        """Return all of it, once."""
        content, self._kept = b"".join(self._kept), []
        return content


def inflating(encoding: str | None) -> Callable[[bytes], bytes] | None:
    """Return what decodes the pieces of a body, where its caller may read it as it came.

    Args:
        encoding: the answer's Content-Encoding; of others than gzip and deflate ``None`` is returned.
    """
    first = _FIRST_BYTES.get((encoding or "").strip().lower())
    return None if first is None else _Inflating(first).feed


class _Inflating:
    """Decodes a body, unless its first byte says that it is decoded: no text begins with it."""

    def __init__(self, first: bytes) -> None:
        self._first, self._inflate = first, zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._is_packed: bool | None = None

    def feed(self, data: bytes) -> bytes:
        if self._is_packed is None and data:
            self._is_packed = data.startswith(self._first)
        if not self._is_packed:
            return data
        with suppress(zlib.error):
            return self._inflate.decompress(data, MOST)
        return b""


def parsed(text: bytes | str) -> dict[str, Any] | None:
    """Return a JSON object; ``None`` for what is none."""
    for read in (_read, json.loads):
        try:
            found = read(text)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else None
    return None


def _read(text: bytes | str) -> object:
    """Return what UTF-8 with nothing round it says: at half of what ``json.loads`` costs."""
    whole = text if isinstance(text, str) else text.decode()
    found, end = _decode(whole)
    if end != len(whole):
        raise ValueError(end)
    return found


def documents_in(content_type: str, content: bytes) -> Iterable[dict[str, Any]]:
    """Return the JSON objects of a whole body: one, or one of each event that has news.

    Args:
        content_type: the answer's Content-Type.
        content: the body.
    """
    if len(content) > MOST:
        return ()
    if not is_stream(content_type):
        found = parsed(content) if is_document(content_type) else None
        return () if found is None else (found,)
    events = (one for one in Events().feed(content + b"\n") if one and one != DONE)
    texts = (one for place, one in enumerate(events) if not place or has_news(one))
    return (found for one in texts if (found := parsed(one)) is not None)


def is_document(content_type: str) -> bool:
    """Return whether a body may be JSON: some gateways call it plain text."""
    return "json" in content_type or content_type.startswith("text/plain")


def is_stream(content_type: str) -> bool:
    """Return whether a body is server-sent events."""
    return content_type.startswith("text/event-stream")
