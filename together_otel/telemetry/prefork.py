"""A process and those forked from it: what they count is not in one another's scrapes."""

import logging
import mmap
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from together_otel.forks import in_forked_child
from together_otel.names import SCOPE

_log = logging.getLogger(f"{SCOPE}.metrics")


class Loss:
    """Warns when a process counts what no scrape will show: once a family.

    A forked child is suspected by itself, any other process when `suspect` is called.

    Args:
        message: the warning for a forked child.
        applies: tells whether counts are lost indeed; asked when the suspect counts first.
    """

    def __init__(self, message: str, applies: Callable[[], bool]) -> None:
        self._message = message
        self._applies = applies
        self.unchecked: bool = False
        """Whether this process is suspected and has not counted since."""
        # Shared with forked children, so that one of them warns and not each worker of a server.
        self._warned = mmap.mmap(-1, 1)
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        self.unchecked = True

    def suspect(self, message: str, applies: Callable[[], bool]) -> None:
        """Warn with this when the process counts next, if it applies then."""
        self._message, self._applies = message, applies
        self.unchecked = True

    def check(self) -> None:
        """Warn if there is reason to and none of the family has."""
        self.unchecked = False
        # Asked last: siblings may be here at the same time.
        if self._applies() and not self._warned[0]:
            self._warned[0] = 1
            _log.warning(self._message)


def forget_inherited(provider: Any) -> None:
    """Let what OpenTelemetry's SDK holds of our instruments begin at nothing in a forked child.

    The SDK copies it: the child would tell its parent's histograms once more, and, where it
    exports differences, counters less what the parent had.
    """
    # There is no public way. Where the SDK looks otherwise, what it copies stays.
    # A thread of the parent's that collected may have held a lock, and is not in this process.
    with suppress(AttributeError):
        consumer = provider._measurement_consumer  # noqa: SLF001
        consumer._lock = threading.Lock()  # noqa: SLF001
        for storage in consumer._reader_storages.values():  # noqa: SLF001
            storage._lock = threading.RLock()  # noqa: SLF001
            held = storage._instrument_view_instrument_matches  # noqa: SLF001
            for instrument in [one for one in held if one.instrumentation_scope.name == SCOPE]:
                del held[instrument]
