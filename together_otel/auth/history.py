"""Which keys were accepted or refused, where and when: knowledge of this process, in memory only."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from together_otel.forks import ForkSafeLock
from together_otel.keys.hosts import TOGETHER
from together_otel.names import FINGERPRINT_LIMIT

ACCEPTED_LIMIT: Final = 10_000
"""Acceptances that are remembered, by key and whose host it was; some 150 bytes each."""


_FRESH: Final = 0.5
"""Seconds in which an acceptance need not be noted again: a time is shown in whole seconds."""


@dataclass(slots=True)
class _Record:
    accepted: float | None = None
    refused: float | None = None
    failing_since: float | None = None
    noted: float = 0.0
    """When it was last accepted, if it was not refused since."""
    where: tuple[bytes, str | None] = (b"", None)
    """Of that acceptance: the key's very text, and the host."""


class KeyHistory:
    """History of the most recently used keys, by their identities.

    Thread-safe. A forked child keeps what was known.

    Args:
        limit: how many keys have a full record.
    """

    def __init__(self, limit: int = FINGERPRINT_LIMIT) -> None:
        self._limit = limit
        self._lock = ForkSafeLock()
        self._records: OrderedDict[bytes, _Record] = OrderedDict()
        self._accepted: OrderedDict[bytes, float] = OrderedDict()
        self._failing = 0

    def accepted(
        self,
        identity: bytes,
        now: float,
        whose: str = TOGETHER,
        text: bytes = b"",
        host: str | None = None,
    ) -> float | None:
        """Note that a key was accepted.

        Args:
            identity: the key's identity.
            now: Unix time in seconds.
            whose: whose host accepted it.
            text: identity of its very text, where white space may be around the key.
            host: the name by which it was asked.

        Returns:
            Seconds that failures lasted if this ends them: this key's own, or, when it is
            accepted for the first time, whatever has been failing in this process.
        """
        with self._lock:
            record = self._use(identity)
            place = _place(text or identity, whose)
            first_time = record.accepted is None and place not in self._accepted
            record.accepted = record.noted = now
            record.where = text, host
            self._accepted[place] = now
            self._accepted.move_to_end(place)
            if len(self._accepted) > ACCEPTED_LIMIT:
                self._accepted.popitem(last=False)
            if not self._failing:
                return None
            if first_time:
                since = min(
                    one.failing_since
                    for one in self._records.values()
                    if one.failing_since is not None
                )
                for one in self._records.values():
                    one.failing_since = None
                self._failing = 0
                return max(0.0, now - since)
            if record.failing_since is None:
                return None
            lasted = now - record.failing_since
            record.failing_since = None
            self._failing -= 1
            return max(0.0, lasted)

    def refused(self, identity: bytes, now: float) -> None:
        """Note that a key was refused; ``b""`` stands for a key that is missing."""
        with self._lock:
            record = self._use(identity)
            record.refused, record.noted = now, 0.0
            if record.failing_since is None:
                record.failing_since = now
                self._failing += 1

    def last_accepted(self, identity: bytes) -> float | None:
        """Return the Unix time of a key's last acceptance, ``None`` for never."""
        with self._lock:
            record = self._records.get(identity)
            return record.accepted if record is not None else None

    def accepted_by(self, text: bytes, whose: str) -> float | None:
        """Return the Unix time at which somebody's host last accepted a text as a key, if ever."""
        with self._lock:
            return self._accepted.get(_place(text, whose))

    def is_fresh(
        self, identity: bytes, now: float, text: bytes = b"", host: str | None = None
    ) -> bool:
        """Return whether an acceptance need not be noted anew: the same just was, and nothing fails.

        Args:
            identity: the key's identity.
            now: Unix time in seconds.
            text: identity of its very text.
            host: the name by which whoever accepted it was asked.
        """
        record = self._records.get(identity)
        return (
            record is not None
            and not self._failing
            and 0 <= now - record.noted < _FRESH
            and record.where == (text, host)
        )

    def last_refused(self, identity: bytes) -> float | None:
        """Return the Unix time of a key's last refusal, ``None`` for never."""
        with self._lock:
            record = self._records.get(identity)
            return record.refused if record is not None else None

    def _use(self, identity: bytes) -> _Record:
        record = self._records.get(identity)
        if record is None:
            record = self._records[identity] = _Record()
            if len(self._records) > self._limit:
                _, forgotten = self._records.popitem(last=False)
                self._failing -= forgotten.failing_since is not None
        else:
            self._records.move_to_end(identity)
        return record


def _place(text: bytes, whose: str) -> bytes:
    """Return a text and whose host it is good at, in one; digests are all of one length."""
    return text + whose.encode(errors="surrogatepass")
