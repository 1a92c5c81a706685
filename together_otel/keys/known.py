"""Finds known keys in texts, in any encoding, and hides them.

Only hashes of a key's parts are kept: they suffice to find it, and it cannot be recovered from
them. They are Python's own hashes, salted per process unless PYTHONHASHSEED is set.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any, Final, TypeAlias

from together_otel.keys.secret import Secret
from together_otel.keys.writings import writings
from together_otel.names import KEY_VARIABLE, KEYS_PAGE
from together_otel.plain.bounded import Bounded

MARK: Final = "[key]"
"""Replaces a key. It is shorter than the shortest part that is hidden."""

PART_LENGTH: Final = 8
"""Consecutive characters of a key that are hidden; prefixes are public."""

LONGEST_SECRET: Final = 4096
"""Characters beyond which a secret is a whole file rather than a key, and too long to search for."""

_SHORTEST: Final = 4
"""Characters of the shortest key that is searched for: shorter ones may be everyday words."""

HALF: Final = PART_LENGTH // 2
"""Any eight consecutive characters contain four that start at a multiple of five."""

EVERY_FIFTH: Final = re.compile(rf"(?s)(.{{{HALF}}}).?").findall
"""Returns the four characters at each multiple of five in a text."""

_SIGN: Final = r"[*\u2022\u00b7\u2026]|%(?:e2%80%a[26]|c2%b7|2a)|\\u(?:202[26]|00b7)"
_MASKED: Final = (
    rf"(?<![*\u2022\u00b7\u2026.])(?:\.?(?:{_SIGN})|\.\.)(?:{_SIGN}|\.)*"
    r"(?=([^\s*\u2022\u00b7\u2026.]\S{0,15}))"
)
"""A masked key, from its mask on. Each run is tried only at its beginning: this keeps it linear."""

_MASK: Final = re.compile(rf"{_SIGN}|\.\.").search
_MASKED_FROM: Final = 16
"""Characters of the shortest key whose first and last ones are searched for beside a mask."""

_HEAD: Final = 12
_TAIL: Final = 4  # characters that a mask leaves visible: OpenAI shows the first 8 and the last 4

_LAST_FOUR: Final = re.compile(rf"(?s)(?=(.{{{_TAIL}}})(.?))").findall
"""Returns all four consecutive characters of a text, each with the next character."""


@dataclass(frozen=True, slots=True, repr=False)
class KnownKeys:
    """A set of keys to search for; the keys cannot be recovered from it.

    Attributes:
        identity: digest that identifies the set within this process.
        too_long: whether one of the keys is too long to search for.
        words: length and hash of keys that are hidden as whole words.
        grams: hashes of all eight consecutive characters, in each encoding of the keys.
        halves: hashes of all four consecutive characters, for a quick first check.
        heads: hashes of their first characters, of each length that a mask may leave.
        tails: hashes of their last four characters.
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
        """Return ``text`` with a mark in place of keys, and of eight or more characters of one."""
        hidden = bytearray(len(text))
        if self.grams:
            folded = text.lower() if text.isascii() else _folded(text)
            if not self.halves.isdisjoint(map(hash, EVERY_FIFTH(folded))):
                self._hide_parts(folded, hidden)
            if _MASK(folded) is not None:
                self._hide_masked(folded, hidden)
        for length, word in self.words:
            _hide_words(text, hidden, length, word)
        return _without(text, hidden) if 1 in hidden else text

    def _hide_parts(self, folded: str, hidden: bytearray) -> None:
        grams = self.grams
        for place, part in enumerate(_parts(folded, PART_LENGTH)):
            if hash(part) in grams:
                hidden[place : place + PART_LENGTH] = b"\1" * PART_LENGTH

    def _hide_masked(self, folded: str, hidden: bytearray) -> None:
        for found in re.finditer(_MASKED, folded):
            # A dot or star of the key beside the mask looks like a part of the mask.
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
"""Known keys; converting them once with `known_keys` saves time."""

_NONE: Final = KnownKeys()
_known: Bounded[tuple[bytes, ...], KnownKeys] = Bounded(256)


def known_keys(secrets: Secrets) -> KnownKeys:
    """Return keys in the form that is searched for, cached.

    Those under 8 characters are hidden as whole words only, those under 4 not at all.
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
        _known[digests] = found
    return found


def _made_of(secret: Secret) -> KnownKeys:
    key = secret.reveal()
    if len(key) > LONGEST_SECRET:
        return KnownKeys(secret.digest, too_long=True)
    key = key.strip()
    if len(key) < PART_LENGTH:
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
        grams=frozenset(map(hash, _parts_of(texts, PART_LENGTH) - _PUBLIC)),
        halves=frozenset(map(hash, _parts_of(texts, HALF))),
        heads=frozenset(map(hash, heads)),
        tails=frozenset(map(hash, tails)),
    )


def united(known: Sequence[KnownKeys]) -> KnownKeys:
    """Return the union of several sets of keys."""
    return KnownKeys(
        b"".join(one.identity for one in known),
        any(one.too_long for one in known),
        *(
            frozenset[Any]().union(*(getattr(one, part.name) for one in known))
            for part in fields(KnownKeys)[2:]
        ),
    )


def _folded(text: str) -> str:
    """Return ``text`` in lower case, with each character at its place."""
    low = text.lower()
    # A letter may become several, and a capital sigma depends on its neighbours.
    if len(low) == len(text) and "\u03a3" not in text:
        return low
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _parts(text: str, length: int) -> list[str]:
    """Return all substrings of a length, in order."""
    return re.findall(rf"(?s)(?=(.{{{length}}}))", text)


def _parts_of(texts: Iterable[str], length: int) -> set[str]:
    return {part for text in texts for part in _parts(text, length)}


_PUBLIC: Final = _parts_of(
    map(_folded, (KEY_VARIABLE, KEYS_PAGE, "Authorization: Bearer ")), PART_LENGTH
)
"""Parts of public texts that are often pasted in place of a key."""


def _hide_words(text: str, hidden: bytearray, length: int, word: int) -> None:
    """Mark where a word stands between characters that are no letters or digits."""
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
