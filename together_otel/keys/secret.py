"""A wrapper that hides a key from error trackers, and the digests that identify keys."""

import os
from hashlib import blake2b
from typing import Final, NoReturn

from together_otel.guard import pass_on_signals

_SALT: Final = os.urandom(32)  # makes digests useless outside this process and its forked children


class Secret:
    """A key that local variables may hold, although error trackers send the locals of each frame.

    Its ``repr`` shows nothing, and it cannot be pickled.
    """

    __slots__ = ("_text", "digest")

    def __init__(self, key: object) -> None:
        self._text = text_of(key)
        self.digest: bytes = digest_of(self._text)

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret stays in its process")


def text_of(key: object) -> str:
    """Return the text that the SDK writes into a header for a key, or its type's name if that fails."""
    try:
        return f"{key}"
    except Exception:  # noqa: BLE001 - a key may be any object
        pass_on_signals()
        return type(key).__name__


def digest_of(text: str) -> bytes:
    """Return a digest that identifies a text within this process and its forked children."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=_SALT).digest()


def identity_of(key: str) -> bytes:
    """Return a digest that identifies a key, whatever white space surrounds it."""
    return digest_of(key.strip())
