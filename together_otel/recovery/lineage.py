"""Which key took which one's place: one search at a time, however many calls are refused.

A `Line` is one key and those that took its place, among the clients that share an HTTP client:
a client and its ``with_options()`` relatives.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

from together_otel.forks import in_forked_child
from together_otel.keys import identity_of, text_of

if TYPE_CHECKING:
    from together_otel.recovery.search import Found, Search

_BARRED_FOR: Final = 60.0
"""Seconds in which a refused key is not tried again. Not for ever: it may have been too new."""

Exact = tuple[bytes, int]
"""What tells keys apart, white space and all, and cannot give them back."""


def exact(key: object) -> Exact:
    """Return what tells a key from others; none is as good as an empty one."""
    text = "" if key is None else text_of(key)
    return identity_of(text), len(text)


class Line:
    """One key and those that took its place. Thread-safe.

    Attributes:
        current: the key that its clients are to use.
        former: the key that a changed file replaced, until the new one is accepted.
    """

    def __init__(self, key: object) -> None:
        self.current: object = key
        self.former: str | None = None
        self._found: Found | None = None
        self._lock = threading.Lock()
        self._barred: dict[Exact, float] = {}
        self._search: Search | None = None
        self._unproven: Search | None = None

    def after_fork(self) -> None:
        """Do without the searches of the parent: their threads are not in this process."""
        self._lock = threading.Lock()
        self._search = self._unproven = None

    def is_barred(self, key: object) -> bool:
        """Tell whether a key was refused just now."""
        return time.monotonic() < self._barred.get(exact(key), float("-inf"))

    def join(self, search: Search) -> Search | Found:
        """Return what to wait for: the search at work, or this one, which is then to be run.

        Or the key that took the refused one's place while the call was under way.
        """
        with self._lock:
            if self._search is not None:
                return self._search
            found = self._found
            if found is not None and not self.is_barred(found.key):
                return found
            self._search = search
            return search

    def ended(self, search: Search, found: Found | None) -> None:
        """Take what a search has found, if anything."""
        with self._lock:
            self._search = self.former = None
            if found is not None:
                self.current, self._found, self._unproven = found.key, found, search

    def rotated(self, found: Found) -> None:
        """Use a key in place of one that was not refused."""
        with self._lock:
            if exact(self.current) == exact(found.key):
                return  # another call was first
            self.former = text_of(self.current)
            self.current, self._found = found.key, found

    def proves(self, line: Line) -> None:
        """Let the key that another line has found be proven by the requests of this one."""
        with self._lock:
            self._unproven = self._unproven or line._unproven

    def accepted(self, key: object) -> None:
        """Note that a request with a key was accepted, which proves what was found."""
        if self._unproven is None and self.former is None and not self._barred:
            return
        with self._lock:
            self._barred.pop(exact(key), None)
            if exact(self.current) == exact(key):
                self.former = None
            proven = self._judged(key)
        if proven is not None:
            proven.tell("recovered")

    def refused(self, key: object) -> None:
        """Note that a request with a key was refused; what was found is then no longer used."""
        with self._lock:
            now = time.monotonic()
            self._barred = {one: until for one, until in self._barred.items() if until > now}
            self._barred[exact(key)] = now + _BARRED_FOR
            disproven = self._judged(key)
            if disproven is not None:
                self._found = None
                # A constructor had none before.
                self.current = key if disproven.key is None else disproven.key
        if disproven is not None:
            disproven.tell("refused_again")

    def _judged(self, key: object) -> Search | None:
        search = self._unproven
        if search is None or exact(self.current) != exact(key):
            return None
        self._unproven = None
        return search


class Lines:
    """The lines of all clients, for as long as these live."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # By their ids: what clients of 1.x share has no hash.
        self._of: dict[int, dict[Exact, Line]] = {}
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        for lines in self._of.values():
            for line in lines.values():
                line.after_fork()

    def __bool__(self) -> bool:
        return bool(self._of)

    def find(self, shared: object, key: object) -> Line | None:
        """Return the line of a key among the clients that share an object, if there is one."""
        lines = self._of.get(id(shared))
        return None if lines is None else lines.get(exact(key))

    def of(self, shared: object, key: object) -> Line:
        """Return the same, or a new line.

        Raises:
            TypeError: when nothing can refer weakly to ``shared``.
        """
        with self._lock:
            lines = self._of.get(id(shared))
            if lines is None:
                weakref.finalize(shared, self._of.pop, id(shared), None).atexit = False
                lines = self._of[id(shared)] = {}
            return lines.setdefault(exact(key), Line(key))

    def add(self, shared: object, key: object, line: Line) -> None:
        """Let a key belong to a line, unless it belongs to one."""
        with self._lock:
            self._of[id(shared)].setdefault(exact(key), line)
