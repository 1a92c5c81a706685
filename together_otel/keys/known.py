"""Keys that are known to be involved: found in a text however they are written, and hidden.

What is kept of a key are hashes of its parts, by which it is found and not given back. They are
Python's own, whose key is a secret of the process unless PYTHONHASHSEED sets it.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, Final, TypeAlias

from together_otel.keys.secret import Secret
from together_otel.keys.writings import writings
from together_otel.names import KEY_VARIABLE, KEYS_PAGE

MARK: Final = "[key]"
"""What stands where a key was. Shorter than the part that betrays one."""

TELLING: Final = 8
"""Consecutive characters of a key that are not to be seen; prefixes are public."""

LONGEST_SECRET: Final = 4096
"""Characters beyond which a secret is no key but a file read whole: too long to be looked for."""

_SHORTEST: Final = 4
"""Shorter "keys" than this are everyday words: only patterns hide them."""

HALF: Final = TELLING // 2
"""Any eight characters in a row have four at one of any five places in a row."""

_EVERY_FIFTH: Final = re.compile(rf"(?s)(.{{{HALF}}}).?").findall
"""Returns the four characters at every fifth place of a text."""

_SIGN: Final = r"[*\u2022\u00b7\u2026]|%(?:e2%80%a[26]|c2%b7|2a)|\\u(?:202[26]|00b7)"
_MASKED: Final = (
    rf"(?<![*\u2022\u00b7\u2026.])(?:\.?(?:{_SIGN})|\.\.)(?:{_SIGN}|\.)*"
    r"(?=([^\s*\u2022\u00b7\u2026.]\S{0,15}))"
)
"""A masked key from the mask on. A run is tried at its beginning only, which keeps this linear."""

_MASK: Final = re.compile(rf"{_SIGN}|\.\.").search
_MASKED_FROM: Final = 16
"""Characters from which on a key's first and last ones are told apart from all of it."""

_HEAD: Final = 12
_TAIL: Final = 4
"""Characters that a mask leaves: OpenAI shows the first 8 and the last 4."""

_LAST_FOUR: Final = re.compile(rf"(?s)(?=(.{{{_TAIL}}})(.?))").findall
"""Returns each four characters in a row of a text, and the one after them."""

_MOST: Final = 256
"""Sets of keys that are kept."""


@dataclass(frozen=True, slots=True, repr=False)
class KnownKeys:
    """A set of keys to be looked for; none of them can be given back.

    Attributes:
        identity: digest by which the set is recognised within this process.
        too_long: whether one of them is too long to be looked for.
        words: length and hash of keys that are hidden as whole words.
        grams: hashes of each eight characters in a row, in each way to write the keys.
        halves: hashes of each four in a row, for a quick look.
        heads: hashes of their first characters, whose length a mask does not tell.
        tails: hashes of their last four.
    """

    identity: bytes = b""
    too_long: bool = False
    words: frozenset[tuple[int, int]] = frozenset()
    grams: frozenset[int] = frozenset()
    halves: frozenset[int] = frozenset()
    heads: frozenset[int] = frozenset()
    tails: frozenset[int] = frozenset()

    def __repr__(self) -> str:
        return "KnownKeys()"

    def hide(self, text: str) -> str:
        """Return ``text`` with a mark where one of the keys was, whole or eight characters of it."""
        hidden = bytearray(len(text))
        if self.grams:
            folded = text.lower() if text.isascii() else _folded(text)
            if not self.halves.isdisjoint(map(hash, _EVERY_FIFTH(folded))):
                self._hide_parts(folded, hidden)
            if _MASK(folded) is not None:
                self._hide_masked(folded, hidden)
        for length, word in self.words:
            _hide_words(text, hidden, length, word)
        return _without(text, hidden) if 1 in hidden else text

    def _hide_parts(self, folded: str, hidden: bytearray) -> None:
        grams = self.grams
        for place, part in enumerate(_parts(folded, TELLING)):
            if hash(part) in grams:
                hidden[place : place + TELLING] = b"\1" * TELLING

    def _hide_masked(self, folded: str, hidden: bytearray) -> None:
        for found in re.finditer(_MASKED, folded):
            # A key's own dot or star beside a mask seems to belong to it.
            first = max(found.start() + 1, found.end() - _TAIL + 1)
            for place, (last, then) in enumerate(_LAST_FOUR(folded[first : found.end(1)]), first):
                if hash(last) in self.tails and not (place > found.end() and then.isalnum()):
                    start = self._start_of_head(folded, found.start())
                    hidden[start : place + _TAIL] = b"\1" * (place + _TAIL - start)
                    break

    def _start_of_head(self, folded: str, end: int) -> int:
        for start in range(max(0, end - _HEAD), end):
            if hash(folded[start:end]) in self.heads:
                return start
        return end


Secrets: TypeAlias = "Collection[str | Secret] | KnownKeys"
"""Keys that are known to be involved; to make `known_keys` of them once saves time."""

_NONE: Final = KnownKeys()
_known: dict[tuple[bytes, ...], KnownKeys] = {}


def known_keys(secrets: Secrets) -> KnownKeys:
    """Return keys as they are looked for; the same for the same ones.

    Args:
        secrets: the keys. Of those under 8 characters, whole words are hidden; those under
            4 are left to the patterns.
    """
    if isinstance(secrets, KnownKeys):
        return secrets
    if not secrets:
        return _NONE
    held = [one if isinstance(one, Secret) else Secret(one) for one in secrets]
    del secrets
    digests = tuple(one.digest for one in held)
    found = _known.get(digests)
    if found is None:
        found = _made_of(*held) if len(held) == 1 else united([known_keys([one]) for one in held])
        if len(_known) >= _MOST:
            _known.clear()
        _known[digests] = found
    return found


def _made_of(secret: Secret) -> KnownKeys:
    key = secret.reveal()
    if len(key) > LONGEST_SECRET:
        return KnownKeys(secret.digest, too_long=True)
    key = key.strip()
    if len(key) < TELLING:
        words = [(len(key), hash(key))] if len(key) >= _SHORTEST else []
        return KnownKeys(secret.digest, words=frozenset(words))
    texts = set(map(_folded, writings(secret.reveal())))
    heads: Iterable[str] = ()
    tails: Iterable[str] = ()
    if len(key) >= _MASKED_FROM:
        heads = accumulate(_folded(key)[:_HEAD])
        tails = {text[-_TAIL:] for text in texts}
    return KnownKeys(
        secret.digest,
        grams=frozenset(map(hash, _parts_of(texts, TELLING) - _PUBLIC)),
        halves=frozenset(map(hash, _parts_of(texts, HALF))),
        heads=frozenset(map(hash, heads)),
        tails=frozenset(map(hash, tails)),
    )


def united(known: Sequence[KnownKeys]) -> KnownKeys:
    """Return the keys of several sets in one."""
    return KnownKeys(
        b"".join(one.identity for one in known),
        any(one.too_long for one in known),
        *(
            frozenset[Any]().union(*(getattr(one, part.name) for one in known))
            for part in fields(KnownKeys)[2:]
        ),
    )


def _folded(text: str) -> str:
    """Return ``text`` in lower case, each character in its place."""
    low = text.lower()
    # A letter may become several, and a sigma another one by what is beside it.
    if len(low) == len(text) and "\u03a3" not in text:
        return low
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _parts(text: str, length: int) -> list[str]:
    """Return all characters in a row of that number, by their places."""
    return re.findall(rf"(?s)(?=(.{{{length}}}))", text)


def _parts_of(texts: Iterable[str], length: int) -> set[str]:
    return {part for text in texts for part in _parts(text, length)}


_PUBLIC: Final = _parts_of(
    map(_folded, (KEY_VARIABLE, KEYS_PAGE, "Authorization: Bearer ")), TELLING
)
"""Parts of what is often pasted or put in a key's place, and is no secret."""


def _hide_words(text: str, hidden: bytearray, length: int, word: int) -> None:
    """Mark where a word is that no letter or digit is next to."""
    for found in re.finditer(rf"(?s)(?<!\w)(?=(.{{{length}}})(?!\w))", text):
        if hash(found[1]) == word:
            hidden[found.start() : found.end(1)] = b"\1" * length


def _without(text: str, hidden: bytearray) -> str:
    parts: list[str] = []
    place = 0
    hidden.append(0)
    while (start := hidden.find(1, place)) >= 0:
        parts += (text[place:start], MARK)
        place = hidden.find(0, start)
    return "".join((*parts, text[place:]))
