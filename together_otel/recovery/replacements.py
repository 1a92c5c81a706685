"""Which key took another one's place, by whose HTTP client it is and which key exactly.

Clients that share an HTTP client are a client and its ``with_options()`` relatives. A key alone
would not do: a gateway's client must not get the key that Together's client with the same one got.
"""

from __future__ import annotations

import time
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from together_otel.forks import ForkSafeLock, in_forked_child
from together_otel.keys import identity_of, inspect_key, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.auth.runtime import Runtime
    from together_otel.keys import KeyReport
    from together_otel.names import RecoveryOutcome, RecoverySource

    Report = Callable[[RecoveryOutcome], None]

_BARRED_FOR: Final = 60.0
"""Seconds in which a refused key is not tried again. Not for ever: it may have been too new."""

Exact = tuple[bytes, int]
"""Digest and length, which tell keys apart, white space included, and cannot give them back."""


def exact(key: object) -> Exact:
    """Return what tells a key from others; none is as good as an empty one."""
    text = "" if key is None else text_of(key)
    return identity_of(text), len(text)


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


class Pending(Future["Found | None"]):
    """A search, for all who wait for it; none of them can cancel it for the others."""

    loop: object = None
    """The event loop whose call began it, if one did."""

    def __init__(self) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()


class Replacement:
    """One key and those that took its place. Thread-safe.

    Attributes:
        current: the key that its clients are to use.
        former: the key that a changed file replaced, until the new one is accepted.
    """

    def __init__(self, key: object, owner: Replacements) -> None:
        self.current: Any = key
        self.former: str | None = None
        self._owner = owner
        self._before: object = None
        self._found: Found | None = None
        self._report: Report = _nobody
        self._pending: Pending | None = None
        self._barred: dict[Exact, float] = {}

    def after_fork(self) -> None:
        """Do without the searches of the parent: their threads are not in this process."""
        self._pending, self._report = None, _nobody

    @property
    def is_unproven(self) -> bool:
        """Whether no request has shown yet what the key is good for that a search has found."""
        return self._report is not _nobody

    def is_barred(self, key: object) -> bool:
        """Return whether a key was refused just now."""
        return self._owner.clock() < self._barred.get(exact(key), float("-inf"))

    def join(self, own: Pending) -> Pending:
        """Return the search at work, or else ``own``, which is to be run unless it is done.

        It is done where another key took the refused one's place while the call was under way.
        """
        with self._owner.lock:
            if self._pending is not None:
                return self._pending
            if self._found is not None and not self.is_barred(self._found.key):
                own.set_result(self._found)
            else:
                self._pending = own
            return own

    def ended(self, found: Found | None, before: object, report: Report) -> None:
        """Take what a search has found, if anything.

        Args:
            found: the new key.
            before: the key to go back to if that is refused; ``None`` to keep it all the same.
            report: what takes the outcome.
        """
        with self._owner.lock:
            self._pending = self.former = None
            if found is not None:
                self.current, self._found = found.key, found
                self._before, self._report = before, report

    def rotated(self, found: Found) -> None:
        """Use a key in place of one that was not refused, unless another call was first."""
        with self._owner.lock:
            if exact(self.current) != exact(found.key) and not self.is_barred(found.key):
                self.former = text_of(self.current)
                self.current, self._found = found.key, found

    def inherit(self, other: Replacement) -> None:
        """Let requests with this key prove what the other one was replaced by."""
        with self._owner.lock:
            if not self.is_unproven:
                self._report = other._report

    def accepted(self, key: object) -> Report:
        """Note that a request with a key was accepted; return what takes the outcome."""
        if not (self.is_unproven or self.former is not None or self._barred):
            return _nobody
        with self._owner.lock:
            self._barred.pop(exact(key), None)
            if exact(self.current) != exact(key):
                return _nobody
            self.former = None
            report, self._report = self._report, _nobody
            return report

    def refused(self, key: object) -> Report:
        """Note that a request with a key was refused; return what takes the outcome."""
        with self._owner.lock:
            now = self._owner.clock()
            self._barred = {one: until for one, until in self._barred.items() if until > now}
            self._barred[exact(key)] = now + _BARRED_FOR
            if not self.is_unproven or exact(self.current) != exact(key):
                return _nobody
            if self._before is not None:
                self.current = self._before
            report, self._report, self._found = self._report, _nobody, None
            return report


def _nobody(_outcome: RecoveryOutcome) -> None:
    """Take the outcome where no search waits for it."""


class Replacements:
    """The replacements of all clients, for as long as their HTTP clients live."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.lock: ForkSafeLock = ForkSafeLock()  # of what is in the map, too
        # By the ids of what clients share, which in 1.x has no hash. Nothing kept, nothing to look up.
        self.kept: dict[int, dict[Exact, Replacement]] = {}
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        # A copy: a client may be collected meanwhile.
        for replacements in list(self.kept.values()):
            for replacement in replacements.values():
                replacement.after_fork()

    def find(self, shared: object, key: object) -> Replacement | None:
        """Return the replacement of a key among the clients that share an object, if any."""
        replacements = self.kept.get(id(shared))
        return None if replacements is None else replacements.get(exact(key))

    def of(self, shared: object, key: object, known: Replacement | None = None) -> Replacement:
        """Return the same, or make it ``known``, or a new one, where there is none.

        Raises:
            TypeError: when nothing can refer weakly to ``shared``.
        """
        with self.lock:
            replacements = self.kept.get(id(shared))
            if replacements is None:
                weakref.finalize(shared, self.kept.pop, id(shared), None).atexit = False
                replacements = self.kept[id(shared)] = {}
            return replacements.setdefault(exact(key), known or Replacement(key, self))


REPLACEMENTS = Replacements()
"""Of the clients of this process; of chains, for what their constructors lacked."""
