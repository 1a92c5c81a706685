"""What a body of an HTTP library's response is read from, observed as it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from together_otel.calls.open_calls import Open, opened
from together_otel.calls.proxies import ObjectProxy


class Unread(Open, Protocol):
    """Whom the reading of a body is reported to."""

    def feed(self, data: bytes) -> None:
        """Note a piece, decoded."""

    def exhausted(self) -> None:
        """Note the end."""

    def failed(self) -> None:
        """Note the exception that is being handled."""

    def closed(self) -> None:
        """Note that it is closed, read or not."""


class Decoder:
    """httpx's decoder of a body, observed; httpx2's gives an iterator for each piece."""

    def __init__(self, decoder: Any, unread: Unread) -> None:
        self._decoder, self._unread = decoder, unread

    def decode(self, data: bytes) -> Any:
        """Decode a piece."""
        return self._noted(self._decoder.decode(data))

    def flush(self) -> Any:
        """Decode the rest."""
        return self._decoder.flush()

    def _noted(self, decoded: Any) -> Any:
        if not isinstance(decoded, bytes):
            return self._each(decoded)
        self._unread.feed(decoded)
        return decoded

    def _each(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._unread.feed(piece)
            yield piece


class _Observed(ObjectProxy):
    """What a body is read from."""

    def __init__(self, wrapped: Any, unread: Unread) -> None:
        super().__init__(wrapped)
        self._self_unread = unread
        self._self_left = opened(self, unread)

    def _ended(self, how: Callable[[], None]) -> None:
        self._self_left.detach()
        how()


class Raw(_Observed):
    """urllib3's response beneath requests'."""

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        """Yield the body."""
        unread = self._self_unread
        try:
            for piece in self.__wrapped__.stream(*args, **kwargs):
                unread.feed(piece)
                yield piece
        except GeneratorExit:
            raise
        except BaseException:
            self._ended(unread.failed)
            raise
        self._ended(unread.exhausted)

    def __iter__(self) -> Iterator[bytes]:
        return self.stream(decode_content=True)

    def read(self, amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Read so many bytes, all by default."""
        unread = self._self_unread
        try:
            data = self.__wrapped__.read(amt, *args, **kwargs)
        except BaseException:
            self._ended(unread.failed)
            raise
        unread.feed(data)
        if amt is None or not data:
            self._ended(unread.exhausted)
        return data

    def close(self) -> None:
        """Close the connection."""
        self.__wrapped__.close()
        self._ended(self._self_unread.closed)


class Content(_Observed):
    """aiohttp's reader of a body."""

    async def _noted(self, reading: Any, *, whole: bool = False) -> Any:
        unread = self._self_unread
        try:
            data = await reading
        except BaseException:
            self._ended(unread.failed)
            raise
        self._note(data if isinstance(data, bytes) else data[0], whole=whole)
        return data

    def _note(self, data: bytes, *, whole: bool = False) -> None:
        self._self_unread.feed(data)
        if whole or not data or self.__wrapped__.at_eof():
            self._ended(self._self_unread.exhausted)

    def __aiter__(self) -> Any:
        return type(self.__wrapped__).__aiter__(self)

    def iter_chunked(self, n: int) -> Any:
        """Yield pieces of at most so many bytes."""
        return type(self.__wrapped__).iter_chunked(self, n)

    def iter_any(self) -> Any:
        """Yield what there is."""
        return type(self.__wrapped__).iter_any(self)

    def iter_chunks(self) -> Any:
        """Yield what there is, and whether it ends one of the server's chunks."""
        return type(self.__wrapped__).iter_chunks(self)

    async def read(self, n: int = -1) -> Any:
        """Read so many bytes, all by default."""
        return await self._noted(self.__wrapped__.read(n), whole=n < 0)

    async def readany(self) -> Any:
        """Read what there is."""
        return await self._noted(self.__wrapped__.readany())

    async def readline(self, *args: Any, **kwargs: Any) -> Any:
        """Read a line."""
        return await self._noted(self.__wrapped__.readline(*args, **kwargs))

    async def readuntil(self, *args: Any, **kwargs: Any) -> Any:
        """Read up to a separator."""
        return await self._noted(self.__wrapped__.readuntil(*args, **kwargs))

    async def readexactly(self, n: int) -> Any:
        """Read exactly so many bytes."""
        return await self._noted(self.__wrapped__.readexactly(n))

    async def readchunk(self) -> Any:
        """Read what there is, and whether it ends one of the server's chunks."""
        return await self._noted(self.__wrapped__.readchunk())

    def read_nowait(self, n: int = -1) -> Any:
        """Read what there is, without waiting."""
        data = self.__wrapped__.read_nowait(n)
        self._note(data)
        return data

    def set_exception(self, *args: Any, **kwargs: Any) -> None:
        """Take what later readings raise: the response is closed, or released."""
        self.__wrapped__.set_exception(*args, **kwargs)
        self._ended(self._self_unread.closed)
