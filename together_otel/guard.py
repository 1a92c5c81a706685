"""The border between this package's own errors and the application.

Used where the application's thread enters our code: an error of ours is swallowed, counted and
logged once for each class, and neither counting nor logging can raise.
"""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from together_otel.names import SCOPE, Stage

_log = logging.getLogger(f"{SCOPE}.internal")


class Guard:
    """Swallows the errors of one stage. Stateless as a context manager: one serves all threads.

    Args:
        stage: where in the package this is.
        count: called with the stage for each error swallowed.
    """

    raising = False
    """Set by the tests: there our own errors are not to be swallowed."""

    def __init__(self, stage: Stage, count: Callable[[Stage], None]) -> None:
        self._stage = stage
        self._count = count
        self._logged: set[str] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        del _  # the exception, which no frame of ours may hold while something is logged
        self._report()
        return not Guard.raising

    def swallow(self) -> None:
        """Do the same inside an ``except Exception`` clause, where a ``with`` would cost too much."""
        self._report()
        if Guard.raising:
            raise  # noqa: PLE0704 - the exception that the caller handles

    def _report(self) -> None:
        # Neither may raise: the application's handlers and filters can, and so can a full disk.
        with suppress(Exception):
            self._count(self._stage)
        kind, where = _place(*sys.exc_info())
        _empty(sys.exc_info()[2])
        if kind in self._logged:
            return
        self._logged.add(kind)
        with suppress(Exception):
            _log.error(
                "together_otel failed in %s with %s at %s; the application is not affected, its "
                "telemetry may be. Logged once.",
                self._stage,
                kind,
                where,
            )


def _empty(traceback: TracebackType | None) -> None:
    """Take the locals out of the frames that an error has left: a log handler may look at them."""
    while traceback is not None:
        with suppress(RuntimeError):  # one that is at work
            traceback.tb_frame.clear()
        traceback = traceback.tb_next


def _place(
    kind: type[BaseException] | None, _exc: object, traceback: TracebackType | None
) -> tuple[str, str]:
    """Return an exception's class and where it was raised, without its text or its frames' locals."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    name = kind.__name__ if kind is not None else "?"
    if traceback is None:
        return name, "?"
    return name, f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
