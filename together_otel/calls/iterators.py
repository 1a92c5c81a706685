"""Generators that pass on the items of an iterator, and report them and the end to a watcher.

The sync and the async one differ by an ``await``, and by whether event loops track the async one.
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
    """Receives the items of an iterator, and how it ends."""

    def got(self, item: Any) -> Reading | None:
        """Record an item; return how to read similar ones without this method, if possible."""

    def exhausted(self) -> None:
        """Record the regular end."""

    def failed(self) -> None:
        """Record the exception being handled."""

    def abandoned(self, at: float | None = None) -> None:
        """Record that the caller left early; do nothing if the call has ended."""


Reading: TypeAlias = "tuple[Timing, bool, Callable[[Any], None], Callable[[], float]]"
"""How an iterator reads chunks without its watcher, for speed.

For chunks of OpenAI's shape: models with ``choices`` and ``usage`` in their ``__dict__``. A chunk
with text only is not reported. In order: the timing of the chunks; whether a chunk itself has a
finish reason, as in text completions; the function that records chunks with more than text; a
clock in seconds. Not a named tuple, which takes twice as long to unpack.
"""


def watch(iterator: Any, watcher: Watcher, *, known: bool = False) -> Any:
    """Return a generator over ``iterator``, sync or async like it, that reports to ``watcher``.

    It has the names of the iterator, and passes on what is sent or thrown into it. ``known`` is
    whether event loops track an async one, as they do the application's own.
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
    # Its callback runs before the generator's own clean-up, which can detect a collection by it.
    finalizers.append(opened(made, watcher))
    return made


def _begin_unknown(generator: AsyncGenerator[Any, Any]) -> None:
    """Begin an async generator that event loops do not track.

    An event loop that ends closes all generators that it tracks at the same time: this one and
    the one beneath.
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
    """Return whether an iterator was made by `watch`."""
    code = getattr(iterator, "gi_code", None) or getattr(iterator, "ag_code", None)
    return code in (_watch.__code__, _watch_async.__code__)


def _watch(  # noqa: C901, PLR0912 - a chunk costs no further function call
    iterator: Any, watcher: Watcher, finalizers: list[Any]
) -> Generator[Any, Any, Any]:
    advance, got = iterator.__next__, watcher.got
    failed, exhausted = watcher.failed, watcher.exhausted
    reading: Reading | None = None
    step: Callable[[], Any] = advance
    while True:
        try:
            item = step()
        except StopIteration as end:
            step = advance  # not the exception thrown, whose traceback refers to this frame
            _end(exhausted, finalizers)
            return end.value
        except BaseException:
            step = advance
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
                # Only this attribute, because attributes of pydantic models are slow.
                fields = item.__dict__
                if fields["usage"] is not None or (
                    has_reason and fields["finish_reason"] is not None
                ):
                    note(item)
                else:
                    for choice in fields["choices"]:
                        said = choice.__dict__
                        # Choices other than the first are counted at their first chunk.
                        if said["finish_reason"] is not None or said["index"]:
                            note(item)
                            break
            except (AttributeError, KeyError, TypeError):  # the chunk has another shape
                note(item)
        step = advance
        try:
            if (sent := (yield item)) is not None:
                step = partial(iterator.send, sent)
        except BaseException as thrown:  # noqa: BLE001 - thrown into the iterator
            if isinstance(thrown, GeneratorExit):
                failed = exhausted = watcher.abandoned
            step = _throwing(iterator, "throw", thrown)
        # The next step may log or fail, and this frame is then shown.
        item = fields = choice = said = None


async def _watch_async(  # noqa: C901, PLR0912 - as above
    iterator: Any, watcher: Watcher, finalizers: list[Any], *, known: bool
) -> AsyncGenerator[Any, Any]:
    advance, got = iterator.__anext__, watcher.got
    failed, exhausted = watcher.failed, watcher.exhausted
    reading: Reading | None = None
    step: Callable[[], Any] = advance
    if not known:
        yield
    while True:
        try:
            item = await step()
        except StopAsyncIteration:
            step = advance
            _end(exhausted, finalizers)
            return
        except BaseException:
            step = advance
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
                # Only this attribute, because attributes of pydantic models are slow.
                fields = item.__dict__
                if fields["usage"] is not None or (
                    has_reason and fields["finish_reason"] is not None
                ):
                    note(item)
                else:
                    for choice in fields["choices"]:
                        said = choice.__dict__
                        # Choices other than the first are counted at their first chunk.
                        if said["finish_reason"] is not None or said["index"]:
                            note(item)
                            break
            except (AttributeError, KeyError, TypeError):  # the chunk has another shape
                note(item)
        step = advance
        try:
            if (sent := (yield item)) is not None:
                step = partial(iterator.asend, sent)
        except BaseException as thrown:
            if isinstance(thrown, GeneratorExit):
                if not (known or finalizers[0].alive):
                    raise  # in a collection, where nothing can be awaited
                failed = exhausted = watcher.abandoned
            step = _throwing(iterator, "athrow", thrown)
        # The next step may log or fail, and this frame is then shown.
        item = fields = choice = said = None


def _end(report: Callable[[], None], finalizers: list[Any]) -> None:
    # Not in a collection, where nothing may be reported: the finalizer has recorded it.
    if finalizers[0].detach() is not None:
        report()


def _throwing(iterator: Any, name: str, thrown: BaseException) -> Callable[[], Any]:
    """Return the step that throws an exception into an iterator, or raises it without a method."""
    throw = getattr(iterator, name, None)
    # A finished async generator returns from `athrow`, as an event loop that ends may finish it.
    if throw is not None and getattr(iterator, "ag_frame", iterator) is not None:
        return partial(throw, thrown)

    def fail() -> Any:
        raise thrown

    return fail
