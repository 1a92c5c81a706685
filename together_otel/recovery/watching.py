"""A file that holds a key: read with care, and looked at for a change before each call."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from together_otel.keys import identity_of, inspect_key, text_of

_LARGEST: Final = 16_384
"""Bytes; a larger file is not read: it holds something else than a key."""

_INTERVAL: Final = 1.0
"""Seconds between two looks at whether a file has changed."""

_REMEMBERED: Final = 16
"""How many of the keys that a file has held are known as its own."""


def read_text(path: Path, largest: int = _LARGEST) -> str:
    """Return the text of a small regular file, without a byte-order mark.

    Args:
        path: the file.
        largest: bytes that it may have.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is too large, no regular file, or no text.
    """
    # Without a wait: a named pipe that nobody writes to would hold the reader up for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as opened:  # noqa: PTH123 - of a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        data = opened.read(largest + 1)
    if len(data) > largest:
        raise ValueError("too large a file")
    return data.decode("utf-8-sig")


class WatchedFile:
    """A file that holds one key, and which keys it has held.

    Thread-safe without a lock, which a forked child could inherit locked: each attribute is
    changed at one stroke. It keeps digests of keys, but for the one that the file holds now.

    Args:
        path: the file; it may be absent, and come later.

    Attributes:
        clock: returns seconds.
    """

    def __init__(self, path: Path) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self._path = path
        self._looked = float("-inf")
        self._seen: tuple[tuple[int, ...], str] = (), ""
        self._held: dict[bytes, None] = {}
        self._news: list[None] = []

    def read(self) -> str:
        """Return what the file holds now, stripped.

        Raises:
            OSError: when it cannot be read.
            ValueError: when it is too large, no regular file, or no text.
        """
        key = read_text(self._path).strip()
        self._hold(key, ())
        return key

    def successor(self, key: object) -> str | None:
        """Return the key that the file holds now, if it held ``key`` before; else ``None``."""
        if self.clock() - self._looked >= _INTERVAL:
            self.look()
        if len(self._held) < 2:  # noqa: PLR2004 - it has not changed
            return None
        _, new = self._seen
        text = text_of(key)
        return None if text.strip() == new or identity_of(text) not in self._held else new

    def is_news(self) -> bool:
        """Return whether it is the first time that this is asked of what the file holds now."""
        try:
            self._news.pop()
        except IndexError:
            return False
        return True

    def look(self) -> None:
        """Look whether the file has changed."""
        self._looked = self.clock()
        stamp, key = self._seen
        try:
            # Through all symbolic links: Kubernetes changes the one in the middle.
            found = os.stat(self._path)  # noqa: PTH116 - it is called often
            now = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
            if now != stamp:
                self._hold(read_text(self._path).strip(), now)
        except (OSError, ValueError):
            self._seen = (), key  # it may be on its way: look again

    def _hold(self, key: str, stamp: tuple[int, ...]) -> None:
        _, before = self._seen
        # While a file is being written it is empty, or holds half a key.
        if not inspect_key(key, source="argument", fingerprint=False).usable:
            self._seen = stamp, before
            return
        identity = identity_of(key)
        self._held.pop(identity, None)
        self._held[identity] = None
        for old in list(self._held)[:-_REMEMBERED]:
            self._held.pop(old, None)
        if before not in ("", key):
            self._news = [None]
        # Together: of two threads that look at once, the later one's stamp is its own key's.
        self._seen = stamp, key
