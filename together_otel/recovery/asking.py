"""How a source is asked: in a thread of its own, within its time, whatever kind of function it is.

The event loop of a call, asyncio's or trio's, waits for that thread, and awaits what it is given.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from together_otel.recovery.sources import Source

    T = TypeVar("T")


@dataclass(frozen=True)
class AsyncioLoop:
    """A loop of asyncio's."""

    loop: asyncio.AbstractEventLoop

    async def wait(self, future: Future[T]) -> T:
        """Return what a thread gives, while the loop does other things."""
        return await asyncio.wrap_future(future)

    def run(self, given: Awaitable[T], limit: float) -> T:
        """Let the loop await something, for so many seconds, from another thread.

        Raises:
            RuntimeError: when the loop is closed.
        """
        waiting = asyncio.wait_for(given, limit)
        try:
            return asyncio.run_coroutine_threadsafe(waiting, self.loop).result(limit)
        except RuntimeError:
            waiting.close()
            raise


@dataclass(frozen=True)
class TrioLoop:
    """A run of trio's; without anyio, which has what this takes from 4.11 on only."""

    trio: Any
    token: Any

    async def wait(self, future: Future[T]) -> T:
        """Return what a thread gives, while the run does other things."""
        done = self.trio.Event()

        def wake(_: object) -> None:
            with suppress(self.trio.RunFinishedError):
                self.token.run_sync_soon(done.set)

        future.add_done_callback(wake)
        await done.wait()
        return future.result()

    def run(self, given: Awaitable[T], limit: float) -> T:
        """Let the run await something, for so many seconds, from another thread.

        Raises:
            RuntimeError: when the run is over.
        """

        async def waiting() -> T:
            with self.trio.fail_after(limit):
                return await given

        result: T = self.trio.from_thread.run(waiting, trio_token=self.token)
        return result


Loop: TypeAlias = "AsyncioLoop | TrioLoop"


def running_loop() -> Loop | None:
    """Return the event loop that runs in this thread, if any."""
    with suppress(RuntimeError):
        if (trio := sys.modules.get("trio")) is not None:
            import sniffio  # noqa: PLC0415 - trio's own dependency

            # First: trio can be a guest of asyncio's loop.
            with suppress(sniffio.AsyncLibraryNotFoundError):
                if sniffio.current_async_library() == "trio":
                    return TrioLoop(trio, trio.lowlevel.current_trio_token())
        return AsyncioLoop(asyncio.get_running_loop())
    return None


def answer_of(source: Source, loop: Loop | None) -> Any:
    """Return what a source gives, within its time.

    Args:
        source: the source.
        loop: where it is awaited if it is async; ``None`` for a loop of its own.

    Raises:
        TimeoutError: when it takes longer, or has not come back from when it last did.
        Exception: whatever the source raises.
    """
    limit = source.limit
    if limit is None:
        return source.look()  # here: it is to get the Ctrl-C
    if source.overdue is not None and source.overdue.is_alive():
        raise TimeoutError
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(_awaited(source.look(), loop, limit))
        except Exception as exc:  # noqa: BLE001 - handed on
            answer.set_exception(exc)
        except BaseException as exc:  # noqa: BLE001 - to end the process is not up to a source
            answer.set_exception(RuntimeError(type(exc).__name__))

    thread = in_thread(work)
    try:
        return answer.result(limit)
    finally:
        if not answer.done():
            source.overdue = thread


def _awaited(given: Any, loop: Loop | None, limit: float) -> Any:
    if not isawaitable(given):
        return given
    try:
        if loop is None:
            return asyncio.run(asyncio.wait_for(given, limit))
        return loop.run(given, limit)
    except RuntimeError:  # the loop is closed, and it was not begun
        if iscoroutine(given):
            with suppress(RuntimeError):
                given.close()
        raise


def in_thread(target: Callable[[], None]) -> threading.Thread:
    """Run something in a thread, in the context of this one; the process may end before it.

    Raises:
        RuntimeError: when there can be no more threads, as the process is about to end.
    """
    thread = threading.Thread(
        target=copy_context().run, args=(target,), name="together-recovery", daemon=True
    )
    thread.start()
    return thread
