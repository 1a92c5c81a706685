"""Calls that go on after the method that made them has returned, and those dropped without a word.

A garbage collection may run inside any allocation, in a region that OpenTelemetry, logging or this
package has locked included, so a finalizer only notes what was dropped and when. It is ended at
the next call, when metrics are collected, or at the interpreter's exit.
"""

from __future__ import annotations

import atexit
import time
import weakref
from queue import SimpleQueue
from typing import Protocol


class Open(Protocol):
    """What a stream, an open body or a session tells of its call."""

    def abandoned(self, at: float | None = None) -> None:
        """End the call that was left early; ``at`` is of ``time.perf_counter``."""


_open: weakref.WeakSet[Open] = weakref.WeakSet()
dropped: SimpleQueue[tuple[Open, float]] = SimpleQueue()
"""What `end_dropped` is to end, and when it was dropped."""


def opened(owner: object, what: Open) -> weakref.finalize[[Open], object]:
    """Note that a call goes on until ``owner`` ends it, or is collected.

    Returns:
        The finalizer; to be detached when the call has ended.
    """
    _open.add(what)
    finalizer = weakref.finalize(owner, _drop, what)
    finalizer.atexit = False  # `end_all` is, with all calls that are open
    return finalizer


def _drop(what: Open) -> None:
    dropped.put((what, time.perf_counter()))


def end_dropped() -> None:
    """End the calls of what was dropped since this was last called."""
    while not dropped.empty():
        what, at = dropped.get()
        what.abandoned(at)


def end_all() -> None:
    """End every call that is still open: the interpreter exits."""
    end_dropped()
    for what in list(_open):
        what.abandoned()


def end_all_at_exit() -> None:
    """Do so before whatever was registered so far: providers that are there shut down after it."""
    atexit.unregister(end_all)
    atexit.register(end_all)
