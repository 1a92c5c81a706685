"""A file that holds a key: read with care, and looked at for a change before each call."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from together_otel.forks import generation
from together_otel.keys import identity_of, inspect_key, text_of

if TYPE_CHECKING:
    from pathlib import Path

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

    Thread-safe. It keeps digests of keys, but for the one that the file holds now.

    Args:
        path: the file; it may be absent, and come later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._generation = generation()
        self._stamp: tuple[int, ...] | None = None
        self._looked = float("-inf")
        self._key = ""
        self._told = ""
        self._held: OrderedDict[bytes, None] = OrderedDict()

    def _own_lock(self) -> threading.Lock:
        """Return the lock; a new one in a forked child, where nobody may be left to release it."""
        if self._generation != generation():
            # Not at the fork: files may be named anew for each request, and handlers stay.
            self._generation = generation()
            self._lock = threading.Lock()
        return self._lock

    def read(self) -> str:
        """Return what the file holds now, stripped.

        Raises:
            OSError: when it cannot be read.
            ValueError: when it is too large, no regular file, or no text.
        """
        key = read_text(self._path).strip()
        with self._own_lock():
            self._hold(key)
        return key

    def successor(self, key: object) -> str | None:
        """Return the key that the file holds now, if it held ``key`` before; else ``None``."""
        if time.monotonic() - self._looked >= _INTERVAL:
            self.look()
        if len(self._held) < 2:  # noqa: PLR2004 - it has not changed
            return None
        new = self._key
        text = text_of(key)
        if text.strip() == new or identity_of(text) not in self._held:
            return None
        return new

    def is_news(self, key: str) -> bool:
        """Tell whether it is the first time that this is asked of what the file holds now."""
        with self._own_lock():
            told, self._told = self._told, key
            return told != key

    def look(self) -> None:
        """Look whether the file has changed, unless another thread does."""
        lock = self._own_lock()
        if not lock.acquire(blocking=False):
            return
        try:
            self._looked = time.monotonic()
            self._compare()
        finally:
            lock.release()

    def _compare(self) -> None:
        try:
            # Through all symbolic links: Kubernetes changes the one in the middle.
            found = os.stat(self._path)  # noqa: PTH116 - it is called often
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
            if stamp != self._stamp:
                self._stamp = stamp
                self._hold(read_text(self._path).strip())
        except (OSError, ValueError):
            self._stamp = None  # it may be on its way: look again

    def _hold(self, key: str) -> None:
        # While a file is being written it is empty, or holds half a key.
        if not inspect_key(key, source="argument", fingerprint=False).usable:
            return
        self._key = key
        identity = identity_of(key)
        self._held[identity] = None
        self._held.move_to_end(identity)
        if len(self._held) > _REMEMBERED:
            self._held.popitem(last=False)
