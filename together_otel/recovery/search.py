"""Search for another key, shared by all calls that wait for one."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from together_otel import names
from together_otel.guard import is_of_a_signal, warn
from together_otel.recovery.asking import answer_of, in_thread, running_loop
from together_otel.recovery.replacements import Found, Pending, Replacement
from together_otel.recovery.scope import Recovery, searching
from together_otel.telemetry import attributes, events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.keys import KeyReport
    from together_otel.names import RecoveryOutcome
    from together_otel.recovery.sources import Source

_LONGEST: Final = 16_384  # maximum length of a key in characters

_log = logging.getLogger(f"{names.SCOPE}.recovery")


@dataclass(eq=False, repr=False)
class Search:
    """Asks the sources of a chain in order until one returns a key worth trying.

    No frame of this module holds a key during logging, as error trackers send local variables. The
    refused key is ``None`` for a constructor without a key. ``may_wait`` is whether to ask sources
    that may block.
    """

    _runtime: Runtime
    _replacement: Replacement
    _recovery: Recovery
    _failure: AuthFailure
    _key: object = None
    may_wait: bool = True
    _result: Pending = field(default_factory=Pending, init=False)
    _asked: list[str] = field(default_factory=list, init=False)
    _reported: bool = field(default=False, init=False)
    _found: Found | None = field(default=None, init=False)

    def found(self) -> Found | None:
        """Return the key found by this search, or by the one already in progress."""
        joined = self._replacement.join(self._result)
        if not joined.done():
            if joined is self._result:
                self._run()
            elif not self.may_wait or (joined.loop is not None and joined.loop == running_loop()):
                return None  # waiting would block the loop that the search needs
        return self._still_good(joined.result())

    async def found_async(self) -> Found | None:
        """Return the same as `found`, without blocking the event loop."""
        if (loop := running_loop()) is None:
            _warn_of_unknown_loop()
            return None
        self._result.loop = loop
        joined = self._replacement.join(self._result)
        if joined is self._result and not joined.done():
            try:
                in_thread(self._run)
            except RuntimeError:  # the interpreter is shutting down
                self._end()
        return self._still_good(await loop.wait(joined))

    def _still_good(self, found: Found | None) -> Found | None:
        return None if found is None or self._replacement.is_barred(found.key) else found

    def _run(self) -> None:
        token = searching.set(True)
        try:
            with self._runtime.guard("recovery"):
                self._found = self._look()
        finally:
            searching.reset(token)
            self._end()

    def _end(self) -> None:
        self._replacement.ended(self._found, self._key, self.report)
        self._result.set_result(self._found)

    def _look(self) -> Found | None:
        failed = asked = False
        for source in self._recovery.sources:
            if source.rests:
                self._asked.append(f"{source.kind}: rests")
                continue
            asked = True
            if not (self.may_wait or source.instant):
                self._asked.append(f"{source.kind}: would_wait")
                continue
            found = None
            try:
                found = self._chosen(source, answer_of(source, self._result.loop))
            except Exception as exc:  # a source may raise anything
                if is_of_a_signal(exc.__traceback__):
                    raise  # it came while the caller waited
                failed = True
                # Only the class, as the text may contain a key.
                self._asked.append(f"{source.kind}: {type(exc).__name__}")
            source.answered(found=found is not None)
            if found is not None:
                return found
        if (found := self._former()) is None and asked:
            self.report("source_failed" if failed else "no_new_key")
        return found

    def _former(self) -> Found | None:
        former = self._replacement.former
        if former is None or self._replacement.is_barred(former):
            return None
        found = Found.of(former, "former", self._runtime)
        return found if found.report.usable else None

    def _chosen(self, source: Source, given: Any) -> Found | None:
        finding = "nothing"
        for key in keys_in(given):
            found = Found.of(key, source.kind, self._runtime)
            if self._replacement.is_barred(key):
                finding = "refused_before"
            elif found.report.usable or self._is_of_gateway(found.report):
                return found
            else:
                finding = f"unusable ({', '.join(found.report.problems) or found.report.format})"
        self._asked.append(f"{source.kind}: {finding}")
        return None

    def _is_of_gateway(self, report: KeyReport) -> bool:
        """Return whether a key with another provider's prefix may replace a gateway's."""
        refused = self._failure
        is_alike = report.format == refused.report.format == "other_provider"
        return is_alike and not report.problems and refused.diagnosis.cause != "wrong_provider"

    def report(self, outcome: RecoveryOutcome) -> None:
        """Count and log the outcome, only once, as several clients may be created with one key."""
        if self._reported:
            return
        self._reported = True
        self._runtime.metrics.recovered(outcome)
        found = self._found
        fields: dict[str, Any] = {names.RECOVERY_OUTCOME: outcome}
        if found is not None:
            fields[names.RECOVERY_SOURCE] = found.source
        if self._asked and outcome != "recovered":
            fields[names.RECOVERY_ASKED] = tuple(self._asked)
        fields[names.AUTH_CAUSE] = self._failure.diagnosis.cause
        fields[names.CLIENT_LIBRARY] = self._failure.report.reader.library
        fields |= attributes.of_key(self._failure.report if found is None else found.report)
        if outcome == "recovered":
            events.emit(names.KEY_RECOVERED, logging.WARNING, fields)
            return
        suppressed = self._runtime.held_back(
            names.KEY_NOT_RECOVERED, outcome, of=tuple(self._asked)
        )
        if suppressed is not None:
            if suppressed:
                fields[names.AUTH_SUPPRESSED] = suppressed
            events.emit(names.KEY_NOT_RECOVERED, logging.WARNING, fields)


def keys_in(given: Any) -> Iterator[str]:
    """Yield the keys that a source returned, stripped and without empty ones.

    Raises:
        TypeError: if it returned anything else, which the message does not include.
        ValueError: if a key is too long.
        Exception: an exception that it returned in place of a key, after the keys before it.
    """
    for key in given if isinstance(given, (list, tuple)) else (given,):
        if isinstance(key, Exception):
            raise key
        if not isinstance(key, str | None):
            raise TypeError("a source must return text")
        if key is not None and len(key) > _LONGEST:
            raise ValueError("too long for a key")
        if key and (stripped := key.strip()):
            yield stripped


@cache
def _warn_of_unknown_loop() -> None:
    """Log once why async calls of this process are not retried."""
    warn(_log, "Recovery is off for async calls here: it supports only asyncio and trio.")
