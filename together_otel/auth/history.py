"""History of which keys were accepted or refused, where and when, in this process's memory."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from together_otel.forks import ForkSafeLock
from together_otel.keys.hosts import TOGETHER
from together_otel.names import FINGERPRINT_LIMIT

ACCEPTED_LIMIT: Final = 10_000
"""Maximum number of recorded acceptances, by key and owner of the host; about 150 bytes each."""


_FRESH: Final = 0.5
"""Seconds in which a repeated acceptance is not recorded, as times are shown in whole seconds."""


@dataclass(slots=True)
class _Record:
    accepted: float | None = None
    refused: float | None = None
    failing_since: float | None = None
    noted: float = 0.0
    """Unix time of the last acceptance; 0 if the key was refused since."""
    where: tuple[bytes, str | None] = (b"", None)
    """Identity of the key's exact text and the host, of that acceptance."""


_NEVER: Final = _Record()


class KeyHistory:
    """History of the most recently used keys, by their identities.

    Thread-safe. A forked child inherits the history. ``failing`` is the number of keys that were
    refused and not accepted since.
    """

    def __init__(self, limit: int = FINGERPRINT_LIMIT) -> None:
        self._limit = limit
        self._lock = ForkSafeLock()
        self._records: OrderedDict[bytes, _Record] = OrderedDict()
        self._accepted: OrderedDict[bytes, float] = OrderedDict()
        self.failing: int = 0

    def accepted(
        self,
        identity: bytes,
        now: float,
        whose: str = TOGETHER,
        text: bytes = b"",
        host: str | None = None,
    ) -> float | None:
        """Record that a key was accepted at a Unix time, by a host of an owner.

        ``text`` is the identity of its exact text, which may include white space around the key.

        Returns the duration in seconds of the failures that this ends: those of this key or, if it
        is accepted for the first time, those of all keys; ``None`` if it ends none.
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
            if not self.failing:
                return None
            candidates = self._records.values() if first_time else (record,)
            ended = [one for one in candidates if one.failing_since is not None]
            since = min((one.failing_since or 0.0 for one in ended), default=None)
            for one in ended:
                one.failing_since = None
            self.failing -= len(ended)
            return None if since is None else max(0.0, now - since)

    def refused(self, identity: bytes, now: float) -> None:
        """Record that a key was refused; ``b""`` stands for a missing key."""
        with self._lock:
            record = self._use(identity)
            record.refused, record.noted = now, 0.0
            if record.failing_since is None:
                record.failing_since = now
                self.failing += 1

    def last_accepted(self, identity: bytes) -> float | None:
        """Return the Unix time of a key's last acceptance, or ``None``."""
        return self._records.get(identity, _NEVER).accepted

    def accepted_by(self, text: bytes, whose: str) -> float | None:
        """Return the Unix time of the last acceptance of a key's exact text by an owner's hosts."""
        return self._accepted.get(_place(text, whose))

    def is_fresh(
        self, identity: bytes, now: float, text: bytes = b"", host: str | None = None
    ) -> bool:
        """Return whether the same acceptance was recorded just now and no key is failing."""
        record = self._records.get(identity)
        return (
            record is not None
            and not self.failing
            and 0 <= now - record.noted < _FRESH
            and record.where == (text, host)
        )

    def last_refused(self, identity: bytes) -> float | None:
        """Return the Unix time of a key's last refusal, or ``None``."""
        return self._records.get(identity, _NEVER).refused

    def _use(self, identity: bytes) -> _Record:
        record = self._records.get(identity)
        if record is None:
            record = self._records[identity] = _Record()
            if len(self._records) > self._limit:
                _, forgotten = self._records.popitem(last=False)
                self.failing -= forgotten.failing_since is not None
        else:
            self._records.move_to_end(identity)
        return record


def _place(text: bytes, whose: str) -> bytes:
    """Return one map key for a text's digest, of constant length, and the owner of a host."""
    return text + whose.encode(errors="surrogatepass")
