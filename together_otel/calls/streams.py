"""Iterators that pass on what a stream yields and tell its call how it ends.

They are generators, as the iterators that they stand for, and differ by an ``await``.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from together_otel.calls.open_calls import opened
from together_otel.calls.state import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from together_otel.calls.call import Call


class Watcher(Protocol):
    """Whom an iterator tells of what it yields, and how it ends."""

    def got(self, item: Any) -> Reading | None:
        """Note one item; return how to read those like it without asking again, if that can be."""

    def exhausted(self) -> None:
        """Note the regular end."""

    def failed(self) -> None:
        """Note the exception that is being handled."""

    def abandoned(self, at: float | None = None) -> None:
        """Note that the caller has left; nothing once the call has ended."""


class Reading(NamedTuple):
    """What an iterator does with a chunk by itself, which is to cost next to nothing.

    Attributes:
        timing: takes the time of each.
        kind: and what follows, of a `Pieces`: tells those that say nothing but a piece of text.
        note: takes the others.
    """

    timing: Timing
    kind: Any
    look: Callable[[Any], object]
    nothing: object
    look_at: Callable[[Any], object]
    piece: object
    note: Callable[[Any], None]


def _recording(call: Call) -> Callable[[float], None] | None:
    """Return what records the seconds between two chunks; ``None`` where nothing can."""
    runtime = call.runtime
    with runtime.guard("stream"):
        recorder = call.recorder_of(call.answer())
        observe = recorder.chunk_times(call.result.model, call.span_context, call.secrets)
        if observe is None:
            return None

        def record(seconds: float) -> None:
            try:
                observe(seconds)
            except Exception:  # noqa: BLE001 - the border
                runtime.guard("stream").swallow()

        return record
    return None


class Stream:
    """A call whose answer comes in chunks: it ends when these do."""

    __slots__ = ("__weakref__", "_call", "_record", "_timing")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._timing = call.timing = Timing()
        self._record: Callable[[float], None] | None = None

    def got(self, chunk: Any) -> Reading | None:
        """Note one chunk; return how to read those like it, where no more is wanted of them."""
        call, timing = self._call, self._timing
        before, is_first = timing.last, not timing.chunks
        timing.tick()
        if self._record is not None:
            self._record(timing.last - before)
        captures = call.result.messages is not None
        if is_first or captures or call.adapter.has_news(chunk):
            call.chunk(chunk)
        if not is_first:
            return None
        if call.runtime.settings.chunk_times:
            self._record = _recording(call)
        return None if captures or self._record is not None else self._reading(chunk)

    def _reading(self, chunk: Any) -> Reading | None:
        call = self._call
        try:
            pieces = call.adapter.pieces_like(chunk)
        except Exception:  # noqa: BLE001 - the border
            call.runtime.guard("stream").swallow()
            return None
        return None if pieces is None else Reading(self._timing, *pieces, call.chunk)

    def exhausted(self) -> None:
        """End the call."""
        self._call.succeed()

    def failed(self) -> None:
        """End the call with the exception that is being handled."""
        self._call.fail()

    def abandoned(self, at: float | None = None) -> None:
        """End the call of a stream that the caller left early."""
        self._call.leave("abandoned", at)


def watch(iterator: Any, watcher: Watcher) -> Any:
    """Return an iterator, sync or async as ``iterator`` is, that tells ``watcher`` about it."""
    if hasattr(iterator, "__anext__"):
        return _AsyncIterator(iterator, watcher)
    return watch_generator(iterator, watcher)


def is_watched(iterator: Any) -> bool:
    """Return whether an iterator is one of `watch`."""
    return (
        isinstance(iterator, _AsyncIterator)
        or getattr(iterator, "gi_code", None) is _watch.__code__
    )


def watch_generator(generator: Any, watcher: Watcher) -> Any:
    """Return a generator, sync or async as ``generator`` is, that tells ``watcher`` about it."""
    finalizers: list[Any] = []
    make = _watch_async if hasattr(generator, "__anext__") else _watch
    made = make(generator, watcher, finalizers)
    for name in ("__name__", "__qualname__"):
        if hasattr(generator, name):
            setattr(made, name, getattr(generator, name))
    # Its callback runs before the generator's own clean-up, which can tell a collection by it.
    finalizers.append(opened(made, watcher))
    return made


class _AsyncIterator:
    """An async stream's iterator.

    No async generator: event loops close these at their end, each by itself, and would close the
    SDK's beneath this one at the same time.
    """

    def __init__(self, iterator: Any, watcher: Watcher) -> None:
        self._iterator, self._watcher = iterator, watcher
        self._advance, self._got = iterator.__anext__, watcher.got
        self._finalizer = opened(self, watcher)
        self._reading: Reading | None = None

    def __aiter__(self) -> _AsyncIterator:
        return self

    async def __anext__(self) -> Any:
        reading = self._reading
        try:
            item = await self._advance()
        except StopAsyncIteration:
            self._finalizer.detach()
            self._watcher.exhausted()
            raise
        except BaseException:
            self._finalizer.detach()
            self._watcher.failed()
            raise
        if reading is None:
            self._reading = self._got(item)
            return item
        timing, kind, look, nothing, look_at, piece, note = reading
        timing.last = time.perf_counter()
        timing.chunks += 1
        try:
            if type(item) is not kind or look(item) != nothing:
                note(item)
            else:
                for choice in item.choices:
                    if look_at(choice) != piece:
                        note(item)
                        break
        except Exception:  # noqa: BLE001 - whatever it is, it is no such piece
            note(item)
        return item

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


def _watch(  # noqa: C901, PLR0912 - what happens for each chunk costs no call of ours
    iterator: Any, watcher: Watcher, finalizers: list[Any]
) -> Generator[Any, Any, Any]:
    step: Callable[[], Any] | None = None
    advance, got, failed = iterator.__next__, watcher.got, watcher.failed
    clock = time.perf_counter
    reading: Reading | None = None
    while True:
        try:
            item = advance() if step is None else step()
        except StopIteration as end:
            _end(watcher.exhausted, finalizers)
            return end.value
        except BaseException:
            _end(failed, finalizers)
            raise
        if reading is None:
            if (reading := got(item)) is not None:
                timing, kind, look, nothing, look_at, piece, note = reading
        else:
            timing.last = clock()
            timing.chunks += 1
            try:
                if type(item) is not kind or look(item) != nothing:
                    note(item)
                else:
                    for choice in item.choices:
                        if look_at(choice) != piece:
                            note(item)
                            break
            except Exception:  # noqa: BLE001 - whatever it is, it is no such piece
                note(item)
        step = None
        try:
            if (sent := (yield item)) is not None:
                step = partial(iterator.send, sent)
        except BaseException as thrown:  # noqa: BLE001 - the iterator gets it
            if isinstance(thrown, GeneratorExit):
                failed = watcher.abandoned
            step = _throwing(iterator, "throw", thrown)


async def _watch_async(
    iterator: Any, watcher: Watcher, finalizers: list[Any]
) -> AsyncGenerator[Any, Any]:
    step: Callable[[], Any] | None = None
    advance, got, failed = iterator.__anext__, watcher.got, watcher.failed
    while True:
        try:
            item = await (advance() if step is None else step())
        except StopAsyncIteration:
            _end(watcher.exhausted, finalizers)
            return
        except BaseException:
            _end(failed, finalizers)
            raise
        got(item)
        step = None
        try:
            if (sent := (yield item)) is not None:
                step = partial(iterator.asend, sent)
        except BaseException as thrown:  # noqa: BLE001 - the iterator gets it
            if isinstance(thrown, GeneratorExit):
                failed = watcher.abandoned
            step = _throwing(iterator, "athrow", thrown)


def _end(tell: Callable[[], None], finalizers: list[Any]) -> None:
    # Not in a collection, where nothing may be reported: the finalizer has noted it.
    if finalizers[0].detach() is not None:
        tell()


def _throwing(iterator: Any, name: str, thrown: BaseException) -> Callable[[], Any]:
    """Return the step that throws an exception into an iterator, or raises it where it takes none."""
    if (throw := getattr(iterator, name, None)) is not None:
        return partial(throw, thrown)

    def fail() -> Any:
        raise thrown

    return fail
