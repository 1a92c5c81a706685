"""Iterators that pass on what another one yields, and tell a watcher of it and of its end.

They are generators, as the iterators that they stand for, and differ by an ``await``.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

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


Reading: TypeAlias = "tuple[Timing, bool, Callable[[Any], None], Callable[[], float]]"
"""How an iterator reads chunks by itself, as each is to cost next to nothing.

Those of OpenAI's shape: with ``choices`` and ``usage``, in models that keep them in a dictionary.
What is but a piece of text is not told to anybody. In turn: what takes the time of each; whether a
chunk says by itself why its choice ended, as of text completions; what takes those that say more
than a piece of text; a clock in seconds. No named tuple, which takes twice as long to unpack.
"""


def watch(iterator: Any, watcher: Watcher) -> Any:
    """Return an iterator, sync or async as ``iterator`` is, that tells ``watcher`` about it."""
    if hasattr(iterator, "__anext__"):
        kind: Any = type(iterator)  # classes are hashable
        return _async_kind(kind)(iterator, watcher)
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
    SDK's beneath this one at the same time. What else its kind of iterator has, `_async_kind` adds:
    a ``__getattr__`` would make each attribute dear, in the path of each chunk.
    """

    __slots__ = (
        "__weakref__",
        "_advance",
        "_finalizer",
        "_got",
        "_iterator",
        "_reading",
        "_watcher",
    )

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
        timing, has_reason, note, clock = reading
        timing.last = clock()
        timing.chunks += 1
        try:
            # No attribute but this: pydantic is slow to say what they are.
            fields = item.__dict__
            if fields["usage"] is not None or (has_reason and fields["finish_reason"] is not None):
                note(item)
            else:
                for choice in fields["choices"]:
                    said = choice.__dict__
                    if said["finish_reason"] is not None or said["index"]:
                        note(item)
                        break
        except Exception:  # noqa: BLE001 - whatever it is, it is no such piece
            note(item)
        return item


@lru_cache(maxsize=16)
def _async_kind(kind: type) -> type[_AsyncIterator]:
    """Return the class of what stands for async iterators of a kind."""

    def forwarded(name: str) -> property:
        return property(lambda self: getattr(self._iterator, name))

    further = {name: forwarded(name) for name in dir(kind) if not name.startswith("_")}
    return type(_AsyncIterator.__name__, (_AsyncIterator,), {"__slots__": (), **further})


def _read(  # noqa: C901, PLR0912 - what happens for each chunk costs no call of ours
    iterator: Any, watcher: Watcher, finalizers: list[Any]
) -> Generator[Any, Any, None]:
    source, got, failed = iterator, watcher.got, watcher.failed
    reading: Reading | None = None
    while True:
        try:
            for item in source:
                if reading is None:
                    if (reading := got(item)) is not None:
                        timing, has_reason, note, clock = reading
                else:
                    timing.last = clock()
                    timing.chunks += 1
                    try:
                        fields = item.__dict__
                        if fields["usage"] is not None or (
                            has_reason and fields["finish_reason"] is not None
                        ):
                            note(item)
                        else:
                            for choice in fields["choices"]:
                                said = choice.__dict__
                                # Of each choice the first chunk counts, if it is but a piece.
                                if said["finish_reason"] is not None or said["index"]:
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
