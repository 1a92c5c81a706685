"""Calls that continue after their method has returned, including those that the caller drops.

A garbage collection may run inside any allocation, even while OpenTelemetry, logging or this
package holds a lock. A finalizer therefore only records what was dropped and when. That call ends
at the next call, when metrics are collected, or at the interpreter's exit.
"""

from __future__ import annotations

import atexit
import weakref
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from together_otel.plain import clocks


class Open(Protocol):
    """A stream, an open body or a session, which ends its call."""

    def abandoned(self, at: float | None = None) -> None:
        """End the call that was left early; ``at`` is a time of ``time.perf_counter``."""


_open: weakref.WeakValueDictionary[int, Open] = weakref.WeakValueDictionary()
dropped: SimpleQueue[tuple[Open, float]] = SimpleQueue()
"""Objects whose calls `end_dropped` ends, and when they were dropped."""


def opened(owner: object, what: Open) -> weakref.finalize[[Open], object]:
    """Record that a call continues until ``owner`` ends it or is collected.

    Return the finalizer, which must be detached when the call has ended.
    """
    _open[id(what)] = what
    finalizer = weakref.finalize(owner, _drop, what)
    finalizer.atexit = False  # `end_all` runs at exit and ends all open calls
    return finalizer


def _drop(what: Open) -> None:
    # Only references are released: anything more may need a lock.
    if (release := getattr(what, "release", None)) is not None:
        release()
    dropped.put((what, clocks.perf_counter()))


def end_dropped() -> None:
    """End the calls of all objects dropped since this was last called."""
    with suppress(Empty):
        while True:  # another thread may take the last one at any moment
            what, at = dropped.get_nowait()
            what.abandoned(at)


def end_all() -> None:
    """End every call that is still open, at the interpreter's exit."""
    end_dropped()
    # References, as other threads may open calls meanwhile.
    for one in _open.valuerefs():
        if (what := one()) is not None:
            what.abandoned()


def end_all_at_exit() -> None:
    """Register `end_all` to run at exit, before the providers that exist now shut down."""
    atexit.unregister(end_all)
    atexit.register(end_all)
