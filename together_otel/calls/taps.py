"""Observation of the bodies of HTTP libraries' responses as the caller reads them.

Longer than 300 lines, so that all ways to read a body are in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial, wraps
from typing import Any, Final, Protocol

from together_otel.calls.iterators import watch
from together_otel.calls.open_calls import Open, opened
from together_otel.calls.proxies import ObjectProxy


class Unread(Open, Protocol):
    """Receives what is read of a body, and how the reading ends."""

    def feed(self, data: bytes) -> None:
        """Record a piece as the caller reads it, decoded or not."""

    def exhausted(self) -> None:
        """Record the end."""

    def failed(self) -> None:
        """Record the exception being handled."""

    def closed(self) -> None:
        """Record that the body is closed, whether read or not."""


def watch_httpx(response: Any, unread: Unread) -> None:
    """Report the reading of httpx's response, however the caller reads it."""
    decoder = response._get_content_decoder()  # noqa: SLF001 - the only place that all pieces pass
    pieces = _Pieces(unread, is_plain=type(decoder).__name__ == "IdentityDecoder")
    if not pieces.is_plain:
        response._decoder = Decoder(decoder, pieces)  # noqa: SLF001 - as above
    response.stream = WatchedBody(response.stream, pieces)


def watch_lm15(answered: Any, unread: Unread) -> None:
    """Report the reading of an lm15 response's body, all of which passes one iterator."""
    response = answered.read_from
    response._chunks = watch(response._chunks, _Pieces(unread, is_plain=True))  # noqa: SLF001 - as above


class _Pieces:
    """Receives the pieces of httpx's body as they come from the network.

    Whether a compressed piece is decoded is only known at the next one, or at the end: ``waiting``
    is the last piece, unless it has been decoded.
    """

    def __init__(self, unread: Unread, *, is_plain: bool) -> None:
        self.unread: Unread = unread
        self.is_plain: bool = is_plain
        self.waiting: bytes = b""

    def got(self, piece: bytes) -> None:
        if self.is_plain:
            self.unread.feed(piece)
        else:
            self._goes_on()
            self.waiting = piece

    def _goes_on(self) -> None:
        piece, self.waiting = self.waiting, b""
        if piece:
            self.unread.feed(piece)

    def exhausted(self) -> None:
        self._goes_on()
        self.unread.exhausted()

    def failed(self) -> None:
        self.unread.failed()

    def abandoned(self, at: float | None = None) -> None:
        self._goes_on()
        self.unread.abandoned(at)

    def closed(self) -> None:
        self._goes_on()
        self.unread.closed()


class WatchedBody(ObjectProxy):
    """The body of an HTTP response, watched however the caller reads it.

    A proxy, because httpx checks the class of the body that it reads from.
    """

    def __init__(self, wrapped: Any, pieces: _Pieces) -> None:
        super().__init__(wrapped)
        self._self_pieces = pieces
        self._self_left = opened(self, pieces)

    @property
    def unread(self) -> Any:
        """The receiver of what is read of the body."""
        return self._self_pieces.unread

    def __iter__(self) -> Any:
        self._self_left.detach()
        return watch(iter(self.__wrapped__), self._self_pieces)

    def __aiter__(self) -> Any:
        self._self_left.detach()
        return watch(aiter(self.__wrapped__), self._self_pieces)

    def close(self) -> None:
        """Close the body and end its call."""
        self.__wrapped__.close()
        self._self_pieces.closed()

    async def aclose(self) -> None:
        """Close the body and end its call."""
        await self.__wrapped__.aclose()
        self._self_pieces.closed()


class Decoder:
    """Observes httpx's decoder of a body; httpx2's returns an iterator for each piece."""

    def __init__(self, decoder: Any, pieces: _Pieces) -> None:
        self._decoder, self._pieces = decoder, pieces

    def decode(self, data: bytes) -> Any:
        """Decode a piece."""
        self._pieces.waiting = b""
        decoded = self._decoder.decode(data)
        if not isinstance(decoded, bytes):
            return self._each(decoded)
        self._pieces.unread.feed(decoded)
        return decoded

    def flush(self) -> Any:
        """Decode the rest."""
        return self._decoder.flush()

    def _each(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._pieces.unread.feed(piece)
            yield piece


def watch_raw(raw: Any, unread: Unread) -> None:
    """Report the reading of urllib3's response, which requests' response reads from.

    The object gets a subclass of its class: its many methods of reading all use a few of them.

    Raises:
        TypeError: if a transport adapter has put another object there, whose class is fixed.
    """
    raw.__class__ = _raw_kind(type(raw))  # type: ignore[arg-type]  # classes are hashable
    raw._together_otel = _Raw(raw, unread)  # noqa: SLF001 - ours


@lru_cache(maxsize=64)
def _raw_kind(kind: type) -> type:
    ours: dict[str, Any] = {"__slots__": (), "__module__": kind.__module__}
    ours["__qualname__"] = kind.__qualname__
    for name, make in _READINGS.items():
        if (function := getattr(kind, name, None)) is not None:
            ours[name] = wraps(function)(make(function))
    return type(kind.__name__, (kind,), ours)


class _Raw:
    """State of the reading of such a response, which it does not keep alive.

    ``is_read`` is whether a read is in progress; one that fails closes the response and then raises.
    """

    __slots__ = ("_left", "is_read", "unread")

    def __init__(self, raw: Any, unread: Unread) -> None:
        self.unread, self.is_read = unread, False
        self._left = opened(raw, unread)

    def ended(self, how: Callable[[], None]) -> None:
        self._left.detach()
        how()


def _reading(function: Any, *, takes_all: bool) -> Any:
    def read(self: Any, amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        state: _Raw = self._together_otel
        outer, state.is_read = state.is_read, True
        try:
            data = function(self, amt, *args, **kwargs)
        except BaseException:
            state.ended(state.unread.failed)
            raise
        finally:
            state.is_read = outer
        state.unread.feed(data or b"")
        # Before urllib3 2, data is also empty where a compressed piece decodes to nothing.
        is_over = not data and amt != 0 and getattr(getattr(self, "_fp", None), "closed", True)
        if is_over or (takes_all and (amt is None or amt < 0)):
            state.ended(state.unread.exhausted)
        return data

    return read


def _yielding(function: Any, *, is_by_others: bool) -> Any:
    def pieces(self: Any, *args: Any, **kwargs: Any) -> Any:
        state: _Raw = self._together_otel
        state.is_read = True
        try:
            for piece in function(self, *args, **kwargs):
                if not is_by_others:
                    state.unread.feed(piece)
                state.is_read = False
                yield piece
                state.is_read = True
        except GeneratorExit:
            raise
        except BaseException:
            state.ended(state.unread.failed)
            raise
        finally:
            state.is_read = False
        state.ended(state.unread.exhausted)

    return pieces


def _closing(function: Any) -> Any:
    def close(self: Any) -> None:
        function(self)
        state: _Raw = self._together_otel
        # Set in a collection, where nothing may be reported: the finalizer records it.
        if not (state.is_read or self.__dict__.get("_finalizing")):
            state.ended(state.unread.closed)

    return close


_READINGS: Final[dict[str, Callable[[Any], Any]]] = {
    "read": partial(_reading, takes_all=True),
    "read1": partial(_reading, takes_all=False),
    "read_chunked": partial(_yielding, is_by_others=False),
    "stream": partial(_yielding, is_by_others=True),
    "close": _closing,
}
"""Methods of urllib3's response and what makes them report; all other methods read by these."""


def _noted(name: str) -> Any:
    """Return a coroutine method that reads, and notes what it read."""

    async def read(self: Content, *args: Any, **kwargs: Any) -> Any:
        try:
            data = await getattr(self.__wrapped__, name)(*args, **kwargs)
        except BaseException:
            self._ended(self._self_unread.failed)
            raise
        self._note(data if isinstance(data, bytes) else data[0])
        return data

    return read


def _by_these(name: str) -> Any:
    """Return a method of the reader's class whose iterator reads by the methods above."""

    def iterate(self: Content, *args: Any, **kwargs: Any) -> Any:
        return getattr(type(self.__wrapped__), name)(self, *args, **kwargs)

    return iterate


class Content(ObjectProxy):
    """Observes aiohttp's reader of a body."""

    def __init__(self, wrapped: Any, unread: Unread) -> None:
        super().__init__(wrapped)
        self._self_unread = unread
        self._self_left = opened(self, unread)

    def _ended(self, how: Callable[[], None]) -> None:
        self._self_left.detach()
        how()

    def _note(self, data: bytes) -> None:
        self._self_unread.feed(data)
        # Empty data is not the end: it also comes between two chunks of the server.
        if self.__wrapped__.at_eof():
            self._ended(self._self_unread.exhausted)

    read: Any = _noted("read")
    readany: Any = _noted("readany")
    readline: Any = _noted("readline")
    readuntil: Any = _noted("readuntil")
    readexactly: Any = _noted("readexactly")
    readchunk: Any = _noted("readchunk")
    __aiter__: Any = _by_these("__aiter__")
    iter_any: Any = _by_these("iter_any")
    iter_chunked: Any = _by_these("iter_chunked")
    iter_chunks: Any = _by_these("iter_chunks")

    def read_nowait(self, n: int = -1) -> Any:
        """Read available data without waiting."""
        data = self.__wrapped__.read_nowait(n)
        self._note(data)
        return data

    def set_exception(self, *args: Any, **kwargs: Any) -> None:
        """Set the exception of later reads: the response is closed or released."""
        self.__wrapped__.set_exception(*args, **kwargs)
        self._ended(self._self_unread.closed)
