"""One search for another key, for all who wait for it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.keys import inspect_key
from together_otel.recovery.asking import answer_of, in_thread, keys_in, running_loop
from together_otel.recovery.scope import searching
from together_otel.telemetry import attributes, events

if TYPE_CHECKING:
    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.keys import KeyReport
    from together_otel.names import RecoveryOutcome, RecoverySource
    from together_otel.recovery.lineage import Line
    from together_otel.recovery.scope import Recovery
    from together_otel.recovery.sources import Source


@dataclass(frozen=True, slots=True)
class Found:
    """Another key, which source had it, and what it looks like."""

    key: str = field(repr=False)
    source: RecoverySource
    report: KeyReport

    @classmethod
    def of(cls, key: str, source: RecoverySource, runtime: Runtime) -> Found:
        """Inspect a key that a source has."""
        fingerprint = runtime.settings.fingerprint
        return cls(key, source, inspect_key(key, source="argument", fingerprint=fingerprint))


class Search:
    """Asks the sources of a chain, until one has a key that may be tried.

    Args:
        runtime: whose telemetry it is.
        line: for whose clients.
        recovery: whose sources are asked.
        key: the key that was refused.
        failure: why.
        may_wait: whether sources may be asked that take their time.
    """

    def __init__(
        self,
        runtime: Runtime,
        line: Line,
        recovery: Recovery,
        key: object,
        failure: AuthFailure,
        *,
        may_wait: bool = True,
    ) -> None:
        self.key = key
        self._future: Future[Found | None] = Future()
        # Running: one of those who wait for it cannot cancel it for the others.
        self._future.set_running_or_notify_cancel()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runtime = runtime
        self._line = line
        self._recovery = recovery
        self._failure = failure
        self._may_wait = may_wait
        self._asked: list[str] = []
        self._told = False
        self._found: Found | None = None

    def result(self) -> Found | None:
        """Return what is found, by this search or by the one that is at work."""
        joined = self._line.join(self)
        if isinstance(joined, Found):
            return joined
        if joined is self:
            self._run()
        elif not self._may_wait or (joined._loop is not None and joined._loop is running_loop()):  # noqa: SLF001 - of this class
            return None  # it would wait for itself
        return self._still_good(joined._future.result())  # noqa: SLF001 - the same

    async def result_async(self) -> Found | None:
        """Return the same, while the event loop does other things."""
        self._loop = running_loop()
        if self._loop is None:
            return None  # trio's, say, which cannot wait for threads in this way
        joined = self._line.join(self)
        if isinstance(joined, Found):
            return joined
        if joined is self:
            self._start()
        return self._still_good(await asyncio.wrap_future(joined._future))  # noqa: SLF001 - of this class

    def _still_good(self, found: Found | None) -> Found | None:
        return None if found is None or self._line.is_barred(found.key) else found

    def _run(self) -> None:
        token = searching.set(True)
        try:
            with self._runtime.guard("recovery"):
                self._found = self._look()
        finally:
            searching.reset(token)
            self._end()

    def _start(self) -> None:
        try:
            in_thread(self._run)
        except RuntimeError:  # the interpreter is about to end
            self._end()

    def _end(self) -> None:
        self._line.ended(self, self._found)
        self._future.set_result(self._found)

    def _look(self) -> Found | None:
        failed = asked = False
        for source in self._recovery.sources:
            if source.rests:
                self._asked.append(f"{source.kind}: rests")
                continue
            asked = True
            if not (self._may_wait or source.instant):
                self._asked.append(f"{source.kind}: would_wait")
                continue
            found = None
            try:
                found = self._chosen(source, answer_of(source, self._loop))
            except Exception as exc:  # noqa: BLE001 - a source may do anything
                failed = True
                # By its class alone: its text may hold a key.
                self._asked.append(f"{source.kind}: {type(exc).__name__}")
            source.rest.after(found=found is not None)
            if found is not None:
                return found
        former = self._line.former
        if former is not None and not self._line.is_barred(former):
            found = Found.of(former, "former", self._runtime)
            if found.report.usable:
                return found
        if asked:
            self.tell("source_failed" if failed else "no_new_key")
        return None

    def _chosen(self, source: Source, given: Any) -> Found | None:
        finding = "nothing"
        for key in keys_in(given):
            found = Found.of(key, source.kind, self._runtime)
            if self._line.is_barred(key):
                finding = "refused_before"
            elif found.report.usable:
                return found
            else:
                finding = f"unusable ({', '.join(found.report.problems) or found.report.format})"
        self._asked.append(f"{source.kind}: {finding}")
        return None

    def tell(self, outcome: RecoveryOutcome) -> None:
        """Count what came of it, and log it; once, as several clients may be made of one key."""
        if self._told:
            return
        self._told = True
        self._runtime.metrics.recovered(outcome)
        found = self._found
        fields: dict[str, Any] = {names.RECOVERY_OUTCOME: outcome}
        if found is not None:
            fields[names.RECOVERY_SOURCE] = found.source
        if self._asked and outcome != "recovered":
            fields[names.RECOVERY_ASKED] = tuple(self._asked)
        fields[names.AUTH_CAUSE] = self._failure.diagnosis.cause
        fields |= attributes.of_key(self._failure.report if found is None else found.report)
        if outcome == "recovered":
            events.emit(names.KEY_RECOVERED, logging.INFO, fields)
            return
        suppressed = self._runtime.held_back((outcome, *self._asked))
        if suppressed is not None:
            if suppressed:
                fields[names.AUTH_SUPPRESSED] = suppressed
            events.emit(names.KEY_NOT_RECOVERED, logging.WARNING, fields)
