"""Metrics that record requests at the collection, not in the calling thread."""

from __future__ import annotations

from collections import deque
from threading import get_ident
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
"""Maximum number of requests that wait for a collection."""
_FEW = 8
"""Requests that a caller records if more wait. Several in a row, as the first costs the most; few,
as the caller waits."""


class DeferredMetrics(Metrics):
    """Base of the backends.

    Requests wait for the collection; authentication failures and the state of keys are recorded
    immediately. If too many requests wait for a collection, callers record a few of them. With
    ``changed``, requests do not wait, as other processes read the values. ``loss`` has the
    arguments of `Loss`.
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
        self._at_work: set[int] = set()
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
