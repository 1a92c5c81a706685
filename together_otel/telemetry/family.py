"""A process and those forked from it: what they count is not in one another's scrapes."""

from __future__ import annotations

import logging
import mmap
from typing import TYPE_CHECKING

from together_otel.forks import in_forked_child
from together_otel.names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(f"{SCOPE}.metrics")


class ForkLoss:
    """Warns when a forked child counts what no scrape will show: once a family.

    Args:
        message: the warning.
        applies: tells whether a child's counts are lost; asked when a child counts first.
    """

    def __init__(self, message: str, applies: Callable[[], bool]) -> None:
        self._message = message
        self._applies = applies
        self.unchecked = False
        """Whether this is a forked child that has not counted yet."""
        # Shared with forked children, so that one of them warns and not each worker of a server.
        self._warned = mmap.mmap(-1, 1)
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        self.unchecked = True

    def check(self) -> None:
        """Warn if there is reason to and none of the family has."""
        self.unchecked = False
        if not self._warned[0] and self._applies():
            self._warned[0] = 1
            _log.warning(self._message)
