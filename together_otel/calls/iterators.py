"""Iterators that pass on what another one yields, and tell a watcher of it and of its end.

They are generators, as the iterators that they stand for; the sync and the async one differ by an
``await``, and by who may know of them.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from together_otel.calls.interrupts import join_frames
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


def watch(iterator: Any, watcher: Watcher, *, known: bool = False) -> Any:
    """Return a generator, sync or async as ``iterator`` is, that tells ``watcher`` about it.

    It has the names of the iterator, and passes on what is sent or thrown into it.

    Args:
        iterator: the other one.
        watcher: who is told.
        known: whether event loops are to know an async one, as they do the application's own.
    """
    finalizers: list[Any] = []
    if hasattr(iterator, "__anext__"):
        made: Any = _watch_async(iterator, watcher, finalizers, known=known)
        if not known:
            _begin_unknown(made)
    else:
        made = _watch(iterator, watcher, finalizers)
    for name in ("__name__", "__qualname__"):
        if hasattr(iterator, name):
            setattr(made, name, getattr(iterator, name))
    # Its callback runs before the generator's own clean-up, which can tell a collection by it.
    finalizers.append(opened(made, watcher))
    return made


def _begin_unknown(generator: AsyncGenerator[Any, Any]) -> None:
    """Begin an async generator of which event loops know nothing.

    They close those that they know when they end, each by itself: ours and, at the same time, the
    one beneath.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        generator.asend(None).send(None)
    except StopIteration:
        pass  # it has yielded
    finally:
        sys.set_asyncgen_hooks(*hooks)


def is_watched(iterator: Any) -> bool:
    """Return whether an iterator is one of `watch`."""
    code = getattr(iterator, "gi_code", None) or getattr(iterator, "ag_code", None)
    return code in (_watch.__code__, _watch_async.__code__)


def _watch(  # noqa: C901, PLR0912 - what happens for each chunk costs no call of ours
    iterator: Any, watcher: Watcher, finalizers: list[Any]
) -> Generator[Any, Any, Any]:
    advance, got, failed = iterator.__next__, watcher.got, watcher.failed
    reading: Reading | None = None
    step: Callable[[], Any] = advance
    while True:
        try:
            item = step()
        except StopIteration as end:
            _end(watcher.exhausted, finalizers)
            return end.value
        except BaseException:
            _end(failed, finalizers)
            join_frames()
            raise
        if reading is None:
            if (reading := got(item)) is not None:
                timing, has_reason, note, clock = reading
        else:
            timing.last = clock()
            timing.chunks += 1
            try:
                # No attribute but this: pydantic is slow to say what they are.
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
        step = advance
        try:
            if (sent := (yield item)) is not None:
                step = partial(iterator.send, sent)
        except BaseException as thrown:  # noqa: BLE001 - the iterator gets it
            if isinstance(thrown, GeneratorExit):
                failed = watcher.abandoned
            step = _throwing(iterator, "throw", thrown)


async def _watch_async(  # noqa: C901, PLR0912 - as above
    iterator: Any, watcher: Watcher, finalizers: list[Any], *, known: bool
) -> AsyncGenerator[Any, Any]:
    advance, got, failed = iterator.__anext__, watcher.got, watcher.failed
    reading: Reading | None = None
    step: Callable[[], Any] = advance
    if not known:
        yield
    while True:
        try:
            item = await step()
        except StopAsyncIteration:
            _end(watcher.exhausted, finalizers)
            return
        except BaseException:
            _end(failed, finalizers)
            join_frames()
            raise
        if reading is None:
            if (reading := got(item)) is not None:
                timing, has_reason, note, clock = reading
        else:
            timing.last = clock()
            timing.chunks += 1
            try:
                # No attribute but this: pydantic is slow to say what they are.
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
        step = advance
        try:
            if (sent := (yield item)) is not None:
                step = partial(iterator.asend, sent)
        except BaseException as thrown:
            if isinstance(thrown, GeneratorExit):
                if not (known or finalizers[0].alive):
                    raise  # collected, where nothing can be awaited
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
