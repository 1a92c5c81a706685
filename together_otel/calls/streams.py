"""Iterators that pass on what a stream yields and tell its call how it ends.

They are generators, as the iterators that they stand for, and differ by an ``await``.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from together_otel.calls.open_calls import opened
from together_otel.calls.state import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from together_otel.calls.call import Call


class Watcher(Protocol):
    """Whom an iterator tells of what it yields, and how it ends."""

    def got(self, item: Any) -> None:
        """Note one item."""

    def exhausted(self) -> None:
        """Note the regular end."""

    def failed(self) -> None:
        """Note the exception that is being handled."""

    def abandoned(self, at: float | None = None) -> None:
        """Note that the caller has left; nothing once the call has ended."""


def _always(_chunk: Any) -> bool:
    return True


def _noting(call: Call, has_news: Callable[[Any], bool]) -> Callable[[Any], None]:
    """Return what notes a stream's chunks: a closure, as it runs for each of them."""
    timing = call.timing = Timing()
    clock, each = time.perf_counter, call.runtime.settings.chunk_times
    record: Callable[[float], None] | None = None

    def got(chunk: Any) -> None:
        nonlocal record
        now = clock()
        if timing.chunks:
            if record is not None:
                record(now - timing.last)
            timing.last = now
            timing.chunks += 1
            if has_news(chunk):
                call.chunk(chunk)
        else:
            timing.first = timing.last = now
            timing.chunks = 1
            call.chunk(chunk)
            if each:
                record = _recording(call)

    return got


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
    """A call whose answer comes in chunks: it ends when these do.

    Attributes:
        got: notes one chunk.
    """

    __slots__ = ("__weakref__", "_call", "got")

    def __init__(self, call: Call) -> None:
        self._call = call
        captures = call.result.messages is not None
        self.got = _noting(call, _always if captures else call.adapter.has_news)

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

    def __aiter__(self) -> _AsyncIterator:
        return self

    async def __anext__(self) -> Any:
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
        self._got(item)
        return item

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterator, name)


def _watch(iterator: Any, watcher: Watcher, finalizers: list[Any]) -> Generator[Any, Any, Any]:
    step: Callable[[], Any] | None = None
    advance, got, failed = iterator.__next__, watcher.got, watcher.failed
    while True:
        try:
            item = advance() if step is None else step()
        except StopIteration as end:
            _end(watcher.exhausted, finalizers)
            return end.value
        except BaseException:
            _end(failed, finalizers)
            raise
        got(item)
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
