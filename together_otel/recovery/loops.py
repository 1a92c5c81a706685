"""The event loop of a call, asyncio's or trio's: it waits for a thread, and works for one."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Future
    from typing import TypeVar

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


def running_loop() -> AsyncioLoop | TrioLoop | None:
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
