"""An exception → its traceback as Python prints it, with each frame formatted once.

While a key is refused, all calls fail at the same few places; to find a frame's line and mark
its columns costs as much as the rest of a failure's telling.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, TracebackType

_MOST: Final = 512
"""Frames that are kept."""

_frames: dict[tuple[int, int, int], tuple[CodeType, str]] = {}
"""Identity of a code, place and line in it → that code and the text of a frame there.

The code is kept as well: the identity of one that is gone may become another's.
"""


def format_traceback(exc: BaseException) -> str:
    """Return what ``traceback.format_exception`` does, as one text."""
    frames = []
    if _is_plain(exc):
        entry = exc.__traceback__
        while entry is not None:
            frames.append(_frame(entry))
            entry = entry.tb_next
    # Python tells of frames that repeat in another way.
    if frames and len(set(frames)) == len(frames):
        told = traceback.format_exception_only(type(exc), exc)
        return "".join(("Traceback (most recent call last):\n", *frames, *told))
    return "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))


def _is_plain(exc: BaseException) -> bool:
    """Tell whether an exception has nothing but its own frames to be told."""
    return (
        exc.__cause__ is None
        and (exc.__context__ is None or exc.__suppress_context__)
        and not hasattr(type(exc), "exceptions")
        and not hasattr(sys, "tracebacklimit")
    )


def _frame(entry: TracebackType) -> str:
    code = entry.tb_frame.f_code
    place = id(code), entry.tb_lasti, entry.tb_lineno
    known = _frames.get(place)
    if known is None:
        if len(_frames) >= _MOST:
            _frames.clear()
        known = _frames[place] = code, "".join(traceback.format_tb(entry, limit=1))
    return known[1]
