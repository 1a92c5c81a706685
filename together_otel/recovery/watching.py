"""A file that contains a key, checked for changes before a call."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from together_otel.keys import identity_of, inspect_key, text_of

_LARGEST: Final = 16_384  # maximum size of a file with a key, in bytes

_INTERVAL: Final = 1.0  # minimum seconds between two checks for a change of a file

_REMEMBERED: Final = 16  # number of former keys that are remembered for a file


def read_text(path: Path, largest: int = _LARGEST) -> str:
    """Return the text of a regular file of at most ``largest`` bytes, without a byte-order mark.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is too large, not a regular file, or not UTF-8.
    """
    # Non-blocking, as opening a named pipe without a writer would block for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as opened:  # noqa: PTH123 - opens a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        data = opened.read(largest + 1)
    if len(data) > largest:
        raise ValueError("file too large")
    return data.decode("utf-8-sig")


class WatchedFile:
    """A file that contains one key, and the digests of its former keys.

    Thread-safe without a lock, which a forked child could inherit locked: each attribute is changed
    atomically. Only the file's current key is kept as text. The file may be created later.
    """

    def __init__(self, path: Path) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self._path = path
        self._looked = float("-inf")
        self._seen: tuple[tuple[int, ...], str] = (), ""
        self._held: dict[bytes, None] = {}
        self._news: Iterator[bool] = iter(())

    def read(self) -> str:
        """Return the file's current content, stripped; raises what `read_text` raises."""
        key = read_text(self._path).strip()
        self._hold(key, ())
        return key

    def successor(self, key: object) -> str | None:
        """Return the file's current key if ``key`` is a former one; else ``None``."""
        if self.clock() - self._looked >= _INTERVAL:
            self.look()
        if len(self._held) < 2:  # noqa: PLR2004 - the file has not changed
            return None
        _, new = self._seen
        text = text_of(key)
        return None if text.strip() == new or identity_of(text) not in self._held else new

    def is_news(self) -> bool:
        """Return whether the file's key changed; true only once for each change."""
        return next(self._news, False)

    def look(self) -> None:
        """Check whether the file has changed and, if so, read it."""
        self._looked = self.clock()
        stamp, key = self._seen
        try:
            # Follows all symbolic links, as Kubernetes replaces an intermediate one.
            found = os.stat(self._path)  # noqa: PTH116 - faster than Path.stat, called often
            now = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
            if now != stamp:
                self._hold(read_text(self._path).strip(), now)
        except (OSError, ValueError):
            self._seen = (), key  # it may be being written: read it again at the next check

    def _hold(self, key: str, stamp: tuple[int, ...]) -> None:
        _, before = self._seen
        # While the file is being written, it is empty or contains part of a key.
        if not inspect_key(key, source="argument", fingerprint=False).usable:
            self._seen = stamp, before
            return
        identity = identity_of(key)
        self._held.pop(identity, None)
        self._held[identity] = None
        for old in list(self._held)[:-_REMEMBERED]:
            self._held.pop(old, None)
        if before not in ("", key):
            self._news = iter((True,))
        # One assignment, so that stamp and key always belong together, whichever thread is last.
        self._seen = stamp, key
