"""Metrics that record requests at the collection, not in the calling thread."""

from __future__ import annotations

import logging
import mmap
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING

from together_otel.forks import ForkSafeLock, in_forked_child
from together_otel.guard import Guard, swallowed
from together_otel.names import SCOPE
from together_otel.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.names import GenAIMetrics
    from together_otel.telemetry.counts import Changed, Count
    from together_otel.telemetry.measured import Measured
    from together_otel.telemetry.recorder import Series

_log = logging.getLogger(f"{SCOPE}.metrics")

_LONGEST = 1024  # maximum number of requests that wait for a collection
_FEW = 8
"""Requests that a caller records if more wait. Several in a row, as the first costs the most; few,
as the caller waits."""


class LossWarning:
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


class DeferredMetrics(Metrics):
    """Base of the backends.

    Requests wait for the collection; authentication failures and the state of keys are recorded
    immediately. If too many requests wait for a collection, callers record a few of them. With
    ``changed``, requests do not wait, as other processes read the values. ``loss`` has the
    arguments of `LossWarning`.
    """

    def __init__(
        self,
        release: GenAIMetrics,
        *,
        chunk_times: bool,
        loss: tuple[str, Callable[[], bool]],
        changed: Changed | None = None,
    ) -> None:
        self.loss: LossWarning = LossWarning(*loss)
        self._waits = changed is None
        self._waiting: deque[tuple[Series, Measured]] = deque()
        self._recording = ForkSafeLock()
        self._at_work: set[int] = set()
        self._guard = Guard("collect", self.swallowed)
        super().__init__(release, chunk_times=chunk_times, changed=changed)

    def submit(self, series: Series, measured: Measured) -> None:
        if not self._waits:
            series.record(measured)
            return
        if self.loss.unchecked:
            self.loss.check()
        self._waiting.append((series, measured))
        if len(self._waiting) > _LONGEST:
            self._record_waiting(_FEW)

    def count(self, *amounts: tuple[Count, int]) -> None:
        if self.loss.unchecked:
            self.loss.check()
        self.counts.add(*amounts)

    def prepare(self) -> None:
        """Record all waiting requests, before a collection or after the last one."""
        with self._guard:
            self.before_collection()
        # With a lock: each of several concurrent collections must include all of them.
        with self._recording:
            self._record_waiting(len(self._waiting))

    def _record_waiting(self, most: int) -> None:
        thread = get_ident()
        # A signal handler, or a finalizer, may make a call while its thread records: OpenTelemetry's
        # locks are not reentrant.
        if thread in self._at_work:
            return
        self._at_work.add(thread)
        try:
            for _ in range(most):
                try:
                    series, measured = self._waiting.popleft()
                except IndexError:  # another thread took it
                    return
                try:
                    series.record(measured)
                except Exception:  # noqa: BLE001 - must not reach the caller: the application's views
                    self._guard.swallow()
        finally:
            self._at_work.discard(thread)

    def stop(self) -> None:
        self.prepare()
        super().stop()

    def _after_fork(self) -> None:
        self._waiting.clear()
        self._at_work.clear()
        super()._after_fork()
