"""Keeps errors of this package from reaching the application.

Used wherever a thread of the application enters this package. An error is swallowed, counted and
logged once per exception class. Neither counting nor logging can raise. What a signal handler raises
meanwhile, such as Celery's soft time limit, is the application's and passes through.
"""

import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from together_otel.names import SCOPE, Stage

_log = logging.getLogger(f"{SCOPE}.internal")


def is_of_a_signal(traceback: TracebackType | None) -> bool:
    """Return whether a signal handler, which may run at any line, raised an exception."""
    found = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {_code_of(handler) for handler in found if callable(handler)} - {None}
    while traceback is not None and codes:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False


def pass_on_signals() -> None:
    """Raise the exception being handled again if it is that of a signal handler."""
    if is_of_a_signal(sys.exc_info()[2]):
        raise  # noqa: PLE0704 - re-raises the exception that the caller handles


def _code_of(handler: Any) -> Any:
    while isinstance(handler, partial):
        handler = handler.func
    function = handler if hasattr(handler, "__code__") else type(handler).__call__
    return getattr(function, "__code__", None)


class _Swallowed:
    """Swallows errors like ``contextlib.suppress``, except those of signal handlers."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, _exc: object, traceback: TracebackType | None
    ) -> bool:
        is_error = kind is not None and issubclass(kind, Exception)
        return is_error and not is_of_a_signal(traceback)


swallowed: _Swallowed = _Swallowed()
"""Used around code that calls objects of others, which may raise anything."""


def warn(log: logging.Logger, text: str, *arguments: object) -> None:
    """Log a warning, unless the application's handlers and filters raise: what follows must run."""
    with swallowed:
        log.warning(text, *arguments, stacklevel=2)


class Guard:
    """Swallows and, with ``count``, counts the errors of one stage. One instance serves all threads."""

    raising = False
    """Set by the tests, so that errors of this package are raised."""

    def __init__(
        self, stage: Stage, count: Callable[[Stage], object] = lambda _stage: None
    ) -> None:
        self._stage = stage
        self._count = count
        self._logged: set[str] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        del _  # the exception: no frame of this package may hold it while something is logged
        return self._reports()

    def swallow(self) -> None:
        """Swallow the exception being handled, where a ``with`` statement would cost too much."""
        if not self._reports():
            raise  # noqa: PLE0704 - re-raises the exception that the caller handles

    def _reports(self) -> bool:
        """Report the error being handled; return whether it is to be swallowed."""
        if is_of_a_signal(sys.exc_info()[2]):
            _empty(sys.exc_info()[2])
            return False
        # Counting and logging may fail: in the application's handlers and filters, on a full disk.
        with swallowed:
            self._count(self._stage)
        kind, where = _place(*sys.exc_info())
        _empty(sys.exc_info()[2])
        if kind not in self._logged:
            self._logged.add(kind)
            with swallowed:
                _log.error(
                    "together_otel failed in %s with %s at %s. The application is not affected, but "
                    "telemetry may be missing. Logged once.",
                    self._stage,
                    kind,
                    where,
                )
        return not Guard.raising


def _empty(traceback: TracebackType | None) -> None:
    """Clear the locals of an error's finished frames: log handlers and trackers may inspect them."""
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
