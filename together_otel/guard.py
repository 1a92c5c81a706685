"""Keeps errors of this package from reaching the application.

Used wherever a thread of the application enters this package. An error is swallowed, counted and
logged once per exception class. Neither counting nor logging can raise.
"""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from together_otel.names import SCOPE, Stage

_log = logging.getLogger(f"{SCOPE}.internal")


class Guard:
    """Swallows the errors of one stage. One instance serves all threads.

    Args:
        stage: the part of the package that it guards.
        count: called with the stage for each swallowed error.
    """

    raising = False
    """Set by the tests, so that errors of this package are raised."""

    def __init__(self, stage: Stage, count: Callable[[Stage], None]) -> None:
        self._stage = stage
        self._count = count
        self._logged: set[str] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        del _  # the exception: no frame of this package may hold it while something is logged
        self._report()
        return not Guard.raising

    def swallow(self) -> None:
        """Swallow the exception being handled, where a ``with`` statement would cost too much."""
        self._report()
        if Guard.raising:
            raise  # noqa: PLE0704 - re-raises the exception that the caller handles

    def _report(self) -> None:
        # Counting and logging may fail: in the application's handlers and filters, on a full disk.
        with suppress(Exception):
            self._count(self._stage)
        kind, where = _place(*sys.exc_info())
        _empty(sys.exc_info()[2])
        if kind in self._logged:
            return
        self._logged.add(kind)
        with suppress(Exception):
            _log.error(
                "together_otel failed in %s with %s at %s. The application is not affected, but "
                "telemetry may be missing. Logged once.",
                self._stage,
                kind,
                where,
            )


def _empty(traceback: TracebackType | None) -> None:
    """Clear the locals of an error's finished frames, because a log handler may inspect them."""
    while traceback is not None:
        with suppress(RuntimeError):  # the frame is still running
            traceback.tb_frame.clear()
        traceback = traceback.tb_next


def _place(
    kind: type[BaseException] | None, _exc: object, traceback: TracebackType | None
) -> tuple[str, str]:
    """Return an exception's class name and location, without its message and its frames' locals."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    name = kind.__name__ if kind is not None else "?"
    if traceback is None:
        return name, "?"
    return name, f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
