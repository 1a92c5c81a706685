"""What error trackers would send of this package's frames."""

import contextlib
import inspect
import linecache
import logging
import re
import sys
from pathlib import Path
from traceback import walk_tb

import together_otel

OURS = f"{Path(together_otel.__file__).parent}/"


def outwards():
    """Yield this package's frames, from the inner ones outwards, and what each shows."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            yield frame, repr({name: repr(value) for name, value in frame.f_locals.items()})
        frame = frame.f_back


class _Frames(logging.Handler):
    def __init__(self):
        super().__init__()
        self.shown = []

    def emit(self, record):
        del record
        self.shown += [shown for _, shown in outwards()]


@contextlib.contextmanager
def frames_of_ours():
    """Gather the variables of all frames of ours whenever anything is logged, by whomever."""
    handler, root = _Frames(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler.shown
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def passed_by(exc):
    """Return this package's frames that an exception has passed."""
    frames = [frame for frame, _ in walk_tb(exc.__traceback__)]
    return [frame for frame in frames if frame.f_code.co_filename.startswith(OURS)]


def shown_by(exc):
    """Return what the variables of those frames show."""
    return [repr(value) for frame in passed_by(exc) for value in frame.f_locals.values()]


def named_by(exc):
    """Return what loguru shows of those frames: the values that their current lines name."""
    shown = []
    for frame, line in walk_tb(exc.__traceback__):
        if not frame.f_code.co_filename.startswith(OURS):
            continue
        for dotted in re.findall(
            r"[^\W\d]\w*(?:\.\w+)*", linecache.getline(frame.f_code.co_filename, line)
        ):
            first, *rest = dotted.split(".")
            value = frame.f_locals.get(first)
            for name in rest:
                value = inspect.getattr_static(value, name, None)
                shown.append(repr(value))
            shown.append(repr(value))
    return shown
