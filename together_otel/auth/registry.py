"""Reports and history of the keys that this process uses, without the keys themselves."""

from collections import OrderedDict
from contextlib import suppress

from together_otel.auth.history import KeyHistory
from together_otel.forks import ForkSafeLock
from together_otel.keys import (
    TOGETHER,
    KeyReport,
    KnownKeys,
    Reader,
    identity_of,
    inspect_key,
    known_keys,
    text_of,
)
from together_otel.keys.secret import digest_of
from together_otel.names import FINGERPRINT_LIMIT, Source
from together_otel.plain import clocks
from together_otel.plain.bounded import Bounded
from together_otel.plain.weak import WeakIdentityMap
from together_otel.telemetry.metrics import KeyUse

_SEEN_LIMIT = 1024


class KeyRegistry:
    """Reports of the most recently used keys.

    A usable key is inspected once, others each time: problems may depend on the environment.
    """

    def __init__(self, *, fingerprint: bool) -> None:
        self.history: KeyHistory = KeyHistory()
        self._fingerprint = fingerprint
        self._lock = ForkSafeLock()
        self._reports: OrderedDict[bytes, KeyReport] = OrderedDict()
        self._looked_at: Bounded[tuple[int, int] | None, tuple[KeyReport, KnownKeys]]
        self._looked_at = Bounded(FINGERPRINT_LIMIT)
        # The text of an object may be computed by the application, and is read as rarely as possible.
        self._objects: WeakIdentityMap[tuple[KeyReport, KnownKeys]] = WeakIdentityMap()
        self._seen: Bounded[KeyReport, None] = Bounded(_SEEN_LIMIT)
        self._made: WeakIdentityMap[dict[bytes, KeyReport]] = WeakIdentityMap()

    def constructed(
        self, key: object, source: Source, reader: Reader = TOGETHER, owner: object = None
    ) -> tuple[KeyReport, bool]:
        """Return the report of the key that a constructor used, and whether it is new.

        ``with_options()`` passes the client's own key to its copy as an argument; the report keeps
        the original source of that key. ``owner`` is an object that a client shares with its
        copies; ``None`` stands for any client with the key.
        """
        if source == "argument" and isinstance(key, str) and key:
            known = self._of_owner(owner, key)
            if known is None and (first := self._known(key)) is not None:
                is_same = first.source == source and first.reader == reader
                known = first if owner is None or is_same else None
            if known is not None:
                if known.usable:
                    self._note_made(owner, known)
                    return known, False
                source = known.source
        report = inspect_key(key, source=source, fingerprint=self._fingerprint, reader=reader)
        if not isinstance(key, str):
            self._looked(key, report)
        self._note_made(owner, report)
        with self._lock:
            self._remember(report)
            if report in self._seen:
                return report, False
            self._seen[report] = None
        return report, True

    def look(self, key: object, reader: Reader = TOGETHER) -> tuple[KeyReport, KnownKeys]:
        """Return the report of a client's key, and the `KnownKeys` by which texts are redacted."""
        # Found by the text's hash, which is salted in each process: a digest would cost more.
        place = (hash(key), len(key)) if type(key) is str else None
        found = self._looked_at.get(place) if place is not None else self._objects.get(key)
        if found is not None:
            return found
        return self._looked(key, self.of(key, reader=reader))

    def _looked(self, key: object, report: KeyReport) -> tuple[KeyReport, KnownKeys]:
        found = report, known_keys(() if key is None else (text_of(key),))
        # Problems of a key may depend on the environment, which may change.
        if report.usable and type(key) is str:
            self._looked_at[hash(key), len(key)] = found
        elif report.usable:
            with suppress(TypeError):  # a class without weak references
                self._objects[key] = found
        return found

    def was_just_accepted(self, key: object, host: str) -> bool:
        """Return whether a host accepted a client's key a moment ago and no key is failing."""
        found = self._looked_at.get((hash(key), len(key))) if type(key) is str else None
        if found is None:
            return False
        report, now = found[0], clocks.time()
        return self.history.is_fresh(report.identity, now, report.text_identity, host)

    def of(self, key: object, source: Source | None = None, reader: Reader = TOGETHER) -> KeyReport:
        """Return the report of a request's key, and inspect the key if it is new."""
        known = self._known(key)
        if known is not None:
            if known.usable:
                return known
            source = known.source
        if source is None:
            key, source = reader.origin(key)
        report = inspect_key(key, source=source, fingerprint=self._fingerprint, reader=reader)
        with self._lock:
            self._remember(report)
        return report

    def read_by(self, owner: object, key: object, reader: Reader) -> KeyReport:
        """Return the report of a key as one client read it; others may have another source.

        ``owner`` is an object that the client shares with its copies.
        """
        made = self._of_owner(owner, key)
        if made is not None and made.usable:
            return made
        key, source = reader.origin(key) if made is None else (key, made.source)
        return inspect_key(key, source=source, fingerprint=self._fingerprint, reader=reader)

    def _note_made(self, owner: object, report: KeyReport) -> None:
        if owner is None:
            return
        made = self._made.get(owner)
        if made is None or len(made) >= FINGERPRINT_LIMIT:
            made = {}
            with suppress(TypeError):  # a class without weak references
                self._made[owner] = made
        made[report.text_identity] = report

    def _of_owner(self, owner: object, key: object) -> KeyReport | None:
        """Return the report of a key that an owner's client was created with."""
        if (made := self._made.get(owner)) is None:
            return None
        return made.get(b"" if key is None else digest_of(text_of(key)))

    def _known(self, key: object) -> KeyReport | None:
        if not isinstance(key, str):
            return None
        text = text_of(key)
        identity = identity_of(text)
        with self._lock:
            report = self._reports.get(identity)
            # White space around a key changes its report, but not its identity.
            if report is None or report.length != len(text):
                return None
            self._reports.move_to_end(identity)
            return report

    def _remember(self, report: KeyReport) -> None:
        if not report.identity:
            return
        self._reports[report.identity] = report
        self._reports.move_to_end(report.identity)
        if len(self._reports) > FINGERPRINT_LIMIT:
            self._reports.popitem(last=False)

    def in_use(self) -> list[KeyUse]:
        """Return the keys with a fingerprint, least recently used first."""
        with self._lock:
            reports = list(self._reports.values())
        return [
            KeyUse(
                report.fingerprint,
                report.format,
                report.source,
                self.history.last_accepted(report.identity),
                self.history.last_refused(report.identity),
            )
            for report in reports
            if report.fingerprint is not None
        ]
