"""Iterators that pass on what another one yields, and tell a watcher of it and of its end.

They are generators, as the iterators that they stand for, and differ by an ``await``.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from together_otel.calls.open_calls import opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from together_otel.calls.state import Timing


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
        look: and what follows, of a `Pieces`: tells those that say nothing but a piece of text.
        note: takes the others.
    """

    timing: Timing
    look: Callable[[Any], object]
    nothing: object
    look_at: Callable[[Any], object]
    piece: object
    note: Callable[[Any], None]


def watch(iterator: Any, watcher: Watcher) -> Any:
    """Return an iterator, sync or async as ``iterator`` is, that tells ``watcher`` about it."""
    if hasattr(iterator, "__anext__"):
        return _AsyncIterator(iterator, watcher)
    return _named(_read, iterator, watcher)


def is_watched(iterator: Any) -> bool:
    """Return whether an iterator is one of `watch`."""
    return (
        isinstance(iterator, _AsyncIterator) or getattr(iterator, "gi_code", None) is _read.__code__
    )


def watch_generator(generator: Any, watcher: Watcher) -> Any:
    """Return a generator, sync or async as ``generator`` is, that tells ``watcher`` about it."""
    is_async = hasattr(generator, "__anext__")
    return _named(_watch_async if is_async else _watch, generator, watcher)


def _named(make: Any, generator: Any, watcher: Watcher) -> Any:
    finalizers: list[Any] = []
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
        timing, look, nothing, look_at, piece, note = reading
        timing.last = time.perf_counter()
        timing.chunks += 1
        try:
            if look(item) != nothing:
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


def _read(  # noqa: C901, PLR0912 - what happens for each chunk costs no call of ours
    iterator: Any, watcher: Watcher, finalizers: list[Any]
) -> Generator[Any, Any, None]:
    source, got, failed, clock = iterator, watcher.got, watcher.failed, time.perf_counter
    reading: Reading | None = None
    while True:
        try:
            for item in source:
                if reading is None:
                    if (reading := got(item)) is not None:
                        timing, look, nothing, look_at, piece, note = reading
                else:
                    timing.last = clock()
                    timing.chunks += 1
                    try:
                        if look(item) != nothing:
                            note(item)
                        else:
                            for choice in item.choices:
                                if look_at(choice) != piece:
                                    note(item)
                                    break
                    except Exception:  # noqa: BLE001 - whatever it is, it is no such piece
                        note(item)
                try:
                    if (sent := (yield item)) is not None:
                        source = _after(partial(iterator.send, sent), iterator)
                        break
                except BaseException as thrown:  # noqa: BLE001 - the iterator gets it
                    if isinstance(thrown, GeneratorExit):
                        failed = watcher.abandoned
                    source = _after(_throwing(iterator, "throw", thrown), iterator)
                    break
            else:
                _end(watcher.exhausted, finalizers)
                return
        except BaseException:
            _end(failed, finalizers)
            raise


def _after(step: Callable[[], Any], iterator: Any) -> Generator[Any, None, None]:
    try:
        item = step()
    except StopIteration:
        return
    yield item
    yield from iterator


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
