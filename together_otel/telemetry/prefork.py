"""Handling of forked processes, whose scrapes do not contain each other's counts."""

import logging
import mmap
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from together_otel.forks import in_forked_child
from together_otel.guard import swallowed
from together_otel.names import SCOPE

_log = logging.getLogger(f"{SCOPE}.metrics")


class Loss:
    """Warns if a process counts what no scrape will show, once for all processes of a fork tree.

    A forked child is checked automatically, any other process after a call of `suspect`.
    ``applies`` returns whether counts are lost; it is called when the process counts next.
    """

    def __init__(self, message: str, applies: Callable[[], bool]) -> None:
        self._message = message
        self._applies = applies
        self.unchecked: bool = False
        """Whether this process is to be checked when it counts next."""
        # Shared with forked children, so that only one worker of a server warns.
        self._warned = mmap.mmap(-1, 1)
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        self.unchecked = True

    def suspect(self, message: str, applies: Callable[[], bool]) -> None:
        """Log the message when the process counts next, if it applies then."""
        self._message, self._applies = message, applies
        self.unchecked = True

    def check(self) -> None:
        """Log the warning if it applies and no process of the fork tree has logged it."""
        self.unchecked = False
        # Never raises, as a count follows: providers and log handlers are the application's.
        with swallowed:
            # The flag is read last, as siblings may run this at the same time.
            if self._applies() and not self._warned[0]:
                self._warned[0] = 1
                _log.warning(self._message)


def forget_inherited(provider: Any) -> None:
    """Reset in a forked child the values that OpenTelemetry's SDK has of our instruments.

    The child inherits them: it would export its parent's histograms again and, with delta
    temporality, counters reduced by the parent's values.
    """
    # There is no public API. With a different SDK, the inherited values remain.
    # The locks are replaced because a thread of the parent's may have held them at the fork.
    with suppress(AttributeError):
        consumer = provider._measurement_consumer  # noqa: SLF001
        consumer._lock = threading.Lock()  # noqa: SLF001
        for storage in consumer._reader_storages.values():  # noqa: SLF001
            storage._lock = threading.RLock()  # noqa: SLF001
            held = storage._instrument_view_instrument_matches  # noqa: SLF001
            for instrument in [one for one in held if one.instrumentation_scope.name == SCOPE]:
                del held[instrument]
