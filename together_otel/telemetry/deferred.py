"""Metrics whose requests are recorded in the collection, which takes that from the calling thread."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from together_otel.forks import ForkSafeLock
from together_otel.guard import Guard
from together_otel.telemetry.metrics import Metrics
from together_otel.telemetry.prefork import Loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.names import GenAIMetrics
    from together_otel.telemetry.counts import Changed, Count
    from together_otel.telemetry.measured import Measured
    from together_otel.telemetry.recorder import Series

_LONGEST = 1024
"""How many requests may wait for a collection."""
_FEW = 8
"""How many of them a caller records where more wait: in a row, as the first costs most, and quickly
done."""


class DeferredMetrics(Metrics):
    """What the backends have in common.

    Requests wait for the collection; refusals by cause, and the state of keys, are there at once. Where nobody
    collects, callers record what is too much, a few requests at a time.

    Args:
        release: as in `Metrics`.
        chunk_times: the same.
        changed: the same; where it is given, others read what it is told, and nothing waits.
        loss: a warning for forked children, and what tells whether it applies.
    """

    def __init__(
        self,
        release: GenAIMetrics,
        *,
        chunk_times: bool,
        loss: tuple[str, Callable[[], bool]],
        changed: Changed | None = None,
    ) -> None:
        self._loss = Loss(*loss)
        self._waits = changed is None
        self._waiting: deque[tuple[Series, Measured]] = deque()
        self._recording = ForkSafeLock()
        self._guard = Guard("collect", self.swallowed)
        super().__init__(release, chunk_times=chunk_times, changed=changed)

    def submit(self, series: Series, measured: Measured) -> None:
        if not self._waits:
            series.record(measured)
            return
        if self._loss.unchecked:
            self._loss.check()
        self._waiting.append((series, measured))
        if len(self._waiting) > _LONGEST:
            self._record_waiting(_FEW)

    def count(self, *amounts: tuple[Count, int]) -> None:
        if self._loss.unchecked:
            self._loss.check()
        self.counts.add(*amounts)

    def prepare(self) -> None:
        """Record all that waits: a collection begins, or the last one was."""
        with self._guard:
            self.before_collection()
        # Of several collections at once each is to have all.
        with self._recording:
            self._record_waiting(len(self._waiting))

    def _record_waiting(self, most: int) -> None:
        for _ in range(most):
            try:
                series, measured = self._waiting.popleft()
            except IndexError:  # another thread had it
                return
            try:
                series.record(measured)
            except Exception:  # noqa: BLE001 - the border: of the application's views and readers
                self._guard.swallow()

    def stop(self) -> None:
        self.prepare()
        super().stop()

    def _after_fork(self) -> None:
        self._waiting.clear()
        super()._after_fork()
