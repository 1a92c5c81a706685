"""Keys that replaced other keys, by the clients' shared HTTP client and the exact original key.

A client and its ``with_options()`` copies share an HTTP client. The key alone is not enough: a new
key found for a Together client must not be used by a gateway's client that had the same key.
"""

from __future__ import annotations

import time
import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from together_otel.forks import ForkSafeLock, in_forked_child
from together_otel.keys import inspect_key, text_of
from together_otel.keys.secret import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.auth.runtime import Runtime
    from together_otel.keys import KeyReport
    from together_otel.names import RecoveryOutcome, RecoverySource
    from together_otel.recovery.asking import Loop

    Report = Callable[[RecoveryOutcome], None]

_BARRED_FOR: Final = 60.0
"""Seconds for which a refused key is not tried again. A new key may only become valid later."""


def exact(key: object) -> bytes:
    """Return the digest of a key with its white space; ``None`` counts as an empty key."""
    return digest_of("" if key is None else text_of(key))


@dataclass(frozen=True, slots=True)
class Found:
    """A key that a source returned, the kind of the source, and the key's report."""

    key: str = field(repr=False)
    source: RecoverySource
    report: KeyReport

    @classmethod
    def of(cls, key: str, source: RecoverySource, runtime: Runtime) -> Found:
        """Inspect a key that a source returned."""
        fingerprint = runtime.settings.fingerprint
        return cls(key, source, inspect_key(key, source="argument", fingerprint=fingerprint))


class Pending(Future["Found | None"]):
    """Result of a search that several calls may wait for. A waiting call cannot cancel it."""

    loop: Loop | None = None
    """The event loop of the call that started it, or ``None``."""

    def __init__(self) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()


def _nobody(_outcome: RecoveryOutcome) -> None:
    """Ignore the outcome, as no search waits for it."""


@dataclass(eq=False, repr=False)
class Replacement:
    """A key and the keys that replaced it. Thread-safe.

    ``current`` is the key for its clients to use, ``former`` the key that a changed file replaced,
    until the new key is accepted.
    """

    current: Any
    _owner: Replacements
    former: str | None = None
    _before: object = None
    _found: Found | None = None
    _report: Report = _nobody
    _pending: Pending | None = None
    _barred: dict[bytes, float] = field(default_factory=dict)

    def after_fork(self) -> None:
        """Forget the parent process's searches, whose threads do not exist in the child."""
        self._pending, self._report = None, _nobody

    @property
    def is_unproven(self) -> bool:
        """Whether the key that a search found has been neither accepted nor refused yet."""
        return self._report is not _nobody

    def is_barred(self, key: object) -> bool:
        """Return whether a key was refused less than `_BARRED_FOR` seconds ago."""
        return self._owner.clock() < self._barred.get(exact(key), float("-inf"))

    def join(self, own: Pending) -> Pending:
        """Return the search in progress, or else ``own``, for the caller to run unless it is done.

        ``own`` is done if the refused key was already replaced during the call.
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
        """Use the key that a search found, if any.

        ``before`` is the key to return to if the new one is refused; ``None`` to keep the new one.
        The outcome is passed to ``report``.
        """
        with self._owner.lock:
            self._pending = self.former = None
            if found is not None:
                self.current, self._found = found.key, found
                self._before, self._report = before, report

    def rotated(self, found: Found) -> None:
        """Replace a key that was not refused, unless another call did so first."""
        with self._owner.lock:
            if exact(self.current) != exact(found.key) and not self.is_barred(found.key):
                self.former = text_of(self.current)
                self.current, self._found = found.key, found

    def inherit(self, other: Replacement) -> None:
        """Report the other replacement's outcome when a request with this key succeeds or fails."""
        with self._owner.lock:
            if not self.is_unproven:
                self._report = other._report

    def accepted(self, key: object) -> Report:
        """Record that a request with a key was accepted; return the function to report it to."""
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
        """Record that a request with a key was refused; return the function to report it to."""
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


class Replacements:
    """Replacements of all clients, each kept for the lifetime of its clients' HTTP client."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.lock: ForkSafeLock = ForkSafeLock()  # for the map and for each replacement in it
        # By id of the object that clients share, as in 1.x that object is not hashable.
        self.kept: dict[int, dict[bytes, Replacement]] = {}
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        # A copy, as garbage collection of a client changes the map.
        for replacements in list(self.kept.values()):
            for replacement in replacements.values():
                replacement.after_fork()

    def find(self, shared: object, key: object) -> Replacement | None:
        """Return the replacement of a key among the clients that share an object, if any."""
        replacements = self.kept.get(id(shared))
        return None if replacements is None else replacements.get(exact(key))

    def of(self, shared: object, key: object, known: Replacement | None = None) -> Replacement:
        """Return the replacement as `find` does, or else add ``known`` or a new one.

        Raises ``TypeError`` if ``shared`` does not support weak references.
        """
        with self.lock:
            replacements = self.kept.get(id(shared))
            if replacements is None:
                weakref.finalize(shared, self.kept.pop, id(shared), None).atexit = False
                replacements = self.kept[id(shared)] = {}
            return replacements.setdefault(exact(key), known or Replacement(key, self))


REPLACEMENTS = Replacements()
"""Replacements for the clients of this process and, by chain, for constructors without a key."""
