"""Run a source, sync or async, in its own thread and with a time limit.

The call's asyncio or trio event loop awaits async sources, and is not blocked meanwhile.
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
    """A running asyncio event loop."""

    loop: asyncio.AbstractEventLoop

    async def wait(self, future: Future[T]) -> T:
        """Return a thread's result without blocking the loop."""
        return await asyncio.wrap_future(future)

    def run(self, given: Awaitable[T], limit: float) -> T:
        """Await something on the loop, from another thread, for at most ``limit`` seconds.

        Raises ``RuntimeError`` if the loop is closed.
        """
        waiting = asyncio.wait_for(given, limit)
        try:
            return asyncio.run_coroutine_threadsafe(waiting, self.loop).result(limit)
        except RuntimeError:
            waiting.close()
            raise


@dataclass(frozen=True)
class TrioLoop:
    """A running trio event loop. Does not use anyio, whose support for this begins with 4.11."""

    trio: Any
    token: Any

    async def wait(self, future: Future[T]) -> T:
        """Return a thread's result without blocking the loop."""
        done = self.trio.Event()

        def wake(_: object) -> None:
            with suppress(self.trio.RunFinishedError):
                self.token.run_sync_soon(done.set)

        future.add_done_callback(wake)
        await done.wait()
        return future.result()

    def run(self, given: Awaitable[T], limit: float) -> T:
        """Await something on the loop, from another thread, for at most ``limit`` seconds.

        Raises ``RuntimeError`` if the trio run has finished.
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
            import sniffio  # noqa: PLC0415 - a dependency of trio

            # Checked before asyncio: trio can run as a guest in an asyncio loop.
            with suppress(sniffio.AsyncLibraryNotFoundError):
                if sniffio.current_async_library() == "trio":
                    return TrioLoop(trio, trio.lowlevel.current_trio_token())
        return AsyncioLoop(asyncio.get_running_loop())
    return None


def answer_of(source: Source, loop: Loop | None) -> Any:
    """Return what a source returns, or raise what it raises, within its time limit.

    An async source is awaited on the loop; ``None`` stands for a new one. Raises ``TimeoutError``
    if it takes longer, or an earlier run that took longer still goes on.
    """
    limit = source.limit
    if limit is None:
        return source.look()  # in this thread, so that a Ctrl-C reaches it
    if source.overdue is not None and source.overdue.is_alive():
        raise TimeoutError
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(_awaited(source.look(), loop, limit))
        except Exception as exc:  # noqa: BLE001 - passed on to the waiting thread
            answer.set_exception(exc)
        except BaseException as exc:  # noqa: BLE001 - a source must not end the process
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
    except RuntimeError:  # the loop is closed, so the coroutine has not started
        if iscoroutine(given):
            with suppress(RuntimeError):
                given.close()
        raise


def in_thread(target: Callable[[], None]) -> threading.Thread:
    """Run a function in a daemon thread, in a copy of the current context.

    Raises ``RuntimeError`` if no thread can be started because the interpreter is shutting down.
    """
    thread = threading.Thread(
        target=copy_context().run, args=(target,), name="together-recovery", daemon=True
    )
    thread.start()
    return thread
