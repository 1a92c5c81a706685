"""A key on its way through our own frames, and the digests that stand for it in memory."""

import os
from hashlib import blake2b
from typing import Final, NoReturn

_SALT: Final = os.urandom(32)
"""Makes digests useless outside this process; forked children share it."""


class Secret:
    """A key that can be carried through frames: error trackers send the locals of each.

    Its ``repr`` shows nothing, and it cannot be pickled or copied into a message.

    Args:
        key: the key as a client holds it. What is not a string is taken as the SDK takes it.
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
    """Return a key as the SDK writes it into a header, or its type's name if that fails."""
    try:
        return f"{key}"
    except Exception:  # noqa: BLE001 - any object can stand where a key should
        return type(key).__name__


def digest_of(text: str) -> bytes:
    """Return a digest by which a text is recognised within this process and its forks."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16, key=_SALT).digest()


def identity_of(key: str) -> bytes:
    """Return the identity of a key, which white space around it does not change."""
    return digest_of(key.strip())
