"""How a source is asked: in a thread of its own, within its time, whatever kind of function it is."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.recovery.loops import AsyncioLoop, TrioLoop
    from together_otel.recovery.sources import Source


def answer_of(source: Source, loop: AsyncioLoop | TrioLoop | None) -> Any:
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


def _awaited(given: Any, loop: AsyncioLoop | TrioLoop | None, limit: float) -> Any:
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
