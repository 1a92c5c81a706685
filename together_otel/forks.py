"""Forked children, in which state has to be renewed, and whether a process is alive."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_generation = 0


def generation() -> int:
    """Return how many forks lie between this process and the one that loaded this module."""
    return _generation


def _next_generation() -> None:
    global _generation  # noqa: PLW0603 - there is one process, and this is which
    _generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_next_generation)


def in_forked_child(method: Callable[[], Any]) -> None:
    """Call a bound method in every forked child, as long as its object lives.

    Where there is no fork (Windows), never.
    """
    if not hasattr(os, "register_at_fork"):
        return
    weakly = weakref.WeakMethod(method)

    def call() -> None:
        if (still_there := weakly()) is not None:
            still_there()

    os.register_at_fork(after_in_child=call)


def is_alive(pid: int) -> bool:
    """Return whether a process exists; always ``True`` on Windows, where asking would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
