"""Iterators that pass a stream's chunks through and tell its call how it ended.

They end the call when the last reference to them goes, too, and at the interpreter's exit:
a stream that the caller left, or never read.
"""

from __future__ import annotations

import atexit
import sys
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from types import FrameType

    from together_otel.calls.lifecycle import Call

_LOCKING = ("opentelemetry", "logging", "prometheus_client", "together_otel", "threading")
"""Packages in whose frames a lock may be held that ending a call would need again."""

_THREAD_BOTTOM = ("_bootstrap", "_bootstrap_inner", "run")
"""Functions at the bottom of each thread's stack, where no lock is held."""

_waiting: deque[Call] = deque()

_open: weakref.WeakSet[Call] = weakref.WeakSet()
"""Calls that go on after the method that made them has returned."""


def opened(call: Call) -> None:
    """Note a call that a stream, a body or a session is to end."""
    _open.add(call)


def settle() -> None:
    """End the calls whose streams were dropped at a moment that did not allow it."""
    while _waiting:
        _waiting.popleft().abandoned()


def end_all() -> None:
    """End every call that is still open: the interpreter exits."""
    settle()
    for call in list(_open):
        call.abandoned()


def end_all_at_exit() -> None:
    """Do so before whatever was registered so far: providers that are there shut down after it."""
    atexit.unregister(end_all)
    atexit.register(end_all)


def dropped(call: Call) -> None:
    """End the call of what was dropped without a word: now, or as soon as that is safe."""
    # The garbage collector runs inside any allocation, one in OpenTelemetry's locked
    # regions included: recording there would wait for a lock of this very thread, for ever.
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented, if underscored
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        locks = name.partition(".")[0] in _LOCKING and name != __name__
        if locks and frame.f_code.co_name not in _THREAD_BOTTOM:
            _waiting.append(call)
            return
        frame = frame.f_back
    call.abandoned()


class _Watched:
    """What both kinds share. Attributes that are not ours are the SDK's iterator's."""

    def __init__(self, iterator: Any, call: Call) -> None:
        self._iterator = iterator
        self._call = call
        self._got = call.chunk
        self._left = weakref.finalize(self, dropped, call)

    def closed(self) -> None:
        """End the call of a stream that is being closed by its caller."""
        self._left.detach()
        self._call.abandoned()

    def _exhausted(self) -> None:
        self._call.exhausted()
        self._left.detach()

    def _failed(self, exc: BaseException) -> None:
        self._call.failed(exc)
        self._left.detach()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


class WatchedStream(_Watched):
    """A sync stream."""

    def __iter__(self) -> WatchedStream:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._iterator)
        except StopIteration:
            self._exhausted()
            raise
        except BaseException as exc:
            self._failed(exc)
            raise
        self._got(chunk)
        return chunk


class AsyncWatchedStream(_Watched):
    """An async stream; it differs from the sync one by an ``await``."""

    def __aiter__(self) -> AsyncWatchedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await anext(self._iterator)
        except StopAsyncIteration:
            self._exhausted()
            raise
        except BaseException as exc:
            self._failed(exc)
            raise
        self._got(chunk)
        return chunk


def watch(iterator: Any, call: Call) -> WatchedStream | AsyncWatchedStream:
    """Return an iterator of the same kind that tells ``call`` about ``iterator``."""
    if hasattr(iterator, "__anext__"):
        return AsyncWatchedStream(iterator, call)
    return WatchedStream(iterator, call)


def is_watched(iterator: Any) -> bool:
    """Tell whether an iterator is watched already."""
    return isinstance(iterator, _Watched)


_DONE = b"data: [DONE]"
"""The end of an event stream: its reader stops here, before the end of the body."""


def is_running(generator: weakref.ref[Any]) -> bool:
    """Tell whether a generator, sync or async, is there and at work at this moment."""
    iterator = generator()
    return bool(getattr(iterator, "gi_running", False) or getattr(iterator, "ag_running", False))


class _Pieces(_Watched):
    """What reads a body, sync or async; the SDK's parser may be on top of it."""

    def __init__(self, iterator: Any, call: Call) -> None:
        super().__init__(iterator, call)
        self._got = self._piece

    def _piece(self, chunk: bytes) -> None:
        self._call.piece()
        if _DONE in chunk:
            self._exhausted()

    def _exhausted(self) -> None:
        self._call.body_ended()
        self._left.detach()


class _SyncPieces(_Pieces, WatchedStream):
    pass


class _AsyncPieces(_Pieces, AsyncWatchedStream):
    pass


class WatchedBody(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1 has no type arguments
    """The body of an HTTP response that the caller reads, in whichever way, or does not.

    A proxy, as httpx asks for the class of the body it reads from.
    """

    def __init__(self, body: Any, call: Call) -> None:
        super().__init__(body)
        self._self_call = call
        self._self_left = weakref.finalize(self, dropped, call)

    @property
    def call(self) -> Call:
        """The call that the body belongs to."""
        return self._self_call

    def __iter__(self) -> Any:
        self._self_left.detach()
        return _SyncPieces(iter(self.__wrapped__), self._self_call)

    def __aiter__(self) -> Any:
        self._self_left.detach()
        return _AsyncPieces(aiter(self.__wrapped__), self._self_call)

    def close(self) -> None:
        """Close the body and end its call."""
        self.__wrapped__.close()
        self._self_call.body_closed()

    async def aclose(self) -> None:
        """Close the body and end its call."""
        await self.__wrapped__.aclose()
        self._self_call.body_closed()
