"""The border between this package's own faults and the application.

Used at the few places where the application's thread enters our code.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from together_otel.names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from together_otel.names import Stage

_log = logging.getLogger(f"{SCOPE}.internal")


class Guard:
    """Swallows, counts and logs once what goes wrong in one stage of our own code.

    A context manager without state of its own: one object serves all threads.

    Args:
        stage: where in the package this is.
        count: called with the stage for each error swallowed.
    """

    raising = False
    """Set by the tests: there our own errors are not to be swallowed."""

    def __init__(self, stage: Stage, count: Callable[[Stage], None]) -> None:
        self._stage = stage
        self._count = count
        self._logged: set[type[BaseException]] = set()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self._count(self._stage)
        if kind not in self._logged:
            self._logged.add(kind)
            while traceback is not None and traceback.tb_next is not None:
                traceback = traceback.tb_next
            # Neither the exception's text nor its locals: both may hold a key.
            where = traceback.tb_frame.f_code if traceback else None
            _log.error(
                "together_otel failed in %s with %s at %s:%s; the application is not affected, "
                "its telemetry may be. Logged once.",
                self._stage,
                kind.__name__,
                where.co_filename if where else "?",
                traceback.tb_lineno if traceback else "?",
            )
        return not Guard.raising
