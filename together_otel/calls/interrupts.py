"""Removal of this package's frames from tracebacks of interrupts and of observed calls."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Final

_PACKAGE: Final = f"{Path(__file__).parents[1]}/"
_BORDERS: Final = tuple(
    f"{Path(__file__).parent}/{name}.py"
    for name in (
        *("around", "bodies", "constructors", "following", "generators", "iterators"),
        *("missing_keys", "originals", "other_hosts", "patches", "realtime", "senders"),
        *("streams", "taps", "together_v1", "wire", "wrappers"),
    )
)
"""Modules whose functions call the SDK or the application."""


def cut(exc: BaseException) -> None:
    """Remove this package's inner frames from the traceback of an interrupt.

    Ctrl-C and timeouts come at any line, even while a key is in a variable, and error trackers
    send the variables of every frame. Other exceptions do not leave the inner frames.
    """
    if isinstance(exc, Exception):
        return
    entry = exc.__traceback__
    while entry is not None and (beneath := entry.tb_next) is not None:
        file = beneath.tb_frame.f_code.co_filename
        if file.startswith(_PACKAGE) and not file.startswith(_BORDERS):
            entry.tb_next = None
            return
        entry = beneath


def step_out() -> None:
    """Remove the caller's frame from the traceback of the exception that it handles, and `cut` it.

    The caller then re-raises it. Python 3.10 adds its frame again, so frames beneath it go instead.
    """
    _, exc, entry = sys.exc_info()
    if exc is None or entry is None:
        return
    cut(exc)
    if sys.version_info >= (3, 11):
        # Assignment would fail for a frozen dataclass.
        BaseException.with_traceback(exc, entry.tb_next)
    else:
        join_frames()


def join_frames() -> None:
    """Remove this package's frames directly beneath the caller's, which handles an exception."""
    if (entry := sys.exc_info()[2]) is None:
        return
    while (beneath := entry.tb_next) is not None and _is_ours(beneath):
        entry.tb_next = beneath.tb_next


def _is_ours(entry: TracebackType) -> bool:
    return entry.tb_frame.f_code.co_filename.startswith(_PACKAGE)
