"""The door for text that is not ours: without keys, valid UTF-8, bounded in length.

Keys are found in two ways: every part that shares eight characters with a key that is known to
be involved, in whichever escaping; and everything that looks like a key.
"""

import re
from typing import Final

from together_otel.keys.known import HALF, KnownKeys, Secrets, known_keys
from together_otel.keys.secret import digest_of
from together_otel.keys.shapes import WORDS, has_digits, without_shapes

LONGEST: Final = 32_768
"""Characters of a text that are looked at; the rest is cut off, and the text says so."""

_MARGIN: Final = 512
"""Characters beyond those, looked at so that a key across the cut is seen whole."""

_CUT: Final = "… [cut off]"
_WITHHELD: Final = "(withheld: its key is too long to be looked for)"

_UNWRITABLE: Final = "[\0\ud800-\udfff]"
"""What UTF-8, or who reads it, has no place for: half characters and NUL."""

_SHORT: Final = 128
"""Characters from which on a text is no id, model or reason."""
_SIGNS: Final = "*", "..", "%", "\\", "\0", *WORDS
"""In ASCII, what a masked key has one of, NUL, and what every other shape has."""

_REMEMBERED: Final = range(128, 8_192)
"""Characters of the texts whose redaction is remembered: refusals come in thousands."""
_MOST: Final = 256

_redacted: dict[tuple[bytes, bytes, int], str] = {}
"""Digest of a text, the keys that were looked for, the length wanted → what came of it."""


def redact(text: str, secrets: Secrets = (), longest: int = LONGEST) -> str:
    """Return ``text`` without keys and passwords of URLs, as valid UTF-8.

    Args:
        text: anything that is to be emitted.
        secrets: keys known to be involved; see `known_keys`.
        longest: characters of the text that are wanted.

    Returns:
        The text with ``[key]`` in their place, and U+FFFD for what UTF-8 cannot write and for
        NUL; at most ``longest`` characters of it, and a word that says so where it was cut. A
        sentence in its stead when a secret is longer than 4,096 characters.
    """
    known = secrets if type(secrets) is KnownKeys else known_keys(secrets)
    del secrets
    if text and known.too_long:
        return _WITHHELD
    if len(text) < _SHORT and len(text) <= longest and _is_plain(text, known):
        return text
    window = text[: longest + _MARGIN]
    if len(window) not in _REMEMBERED or len(window) < len(text):
        return _without_keys(window, known, longest, cut=len(window) < len(text))
    place = digest_of(window), known.identity, longest
    told = _redacted.get(place)
    if told is None:
        told = _without_keys(window, known, longest)
        if len(_redacted) >= _MOST:
            _redacted.clear()
        _redacted[place] = told
    return told


def _is_plain(text: str, known: KnownKeys) -> bool:
    """Return whether one look tells that a short text, as most, has nothing to hide."""
    small, halves = text.lower(), known.halves
    if known.words or not text.isascii() or has_digits(small):
        return False
    for place in range(0, len(small) - HALF + 1, HALF + 1):
        if hash(small[place : place + HALF]) in halves:
            return False
    for sign in _SIGNS:  # noqa: SIM110 - in the path of a call
        if sign in small:
            return False
    return True


def _without_keys(text: str, known: KnownKeys, longest: int, *, cut: bool = False) -> str:
    """Redact the first characters of a text; ``cut`` tells whether it has more of them."""
    text = without_shapes(known.hide(text))
    if cut:
        # A key cut by the window's end looks like none: where others before it were taken out,
        # the margin has moved up, and is not told.
        text = text[: max(0, min(longest - len(_CUT), len(text) - _MARGIN))] + _CUT
    elif len(text) > longest:
        text = shortened(text, longest)
    return text if text.isascii() and "\0" not in text else re.sub(_UNWRITABLE, "\ufffd", text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return as much of a text as is wanted, and a word that says so where it was cut."""
    return text if len(text) <= longest else text[: max(0, longest - len(_CUT))] + _CUT


def escape_controls(text: str) -> str:
    r"""Return ``text`` on one line, with escapes for what is no letter, sign or space.

    A log line then cannot be forged, and a terminal is given no orders: line ends, U+2028, ANSI
    sequences and characters that are not seen become ``\n``, ``\u2028``, ``\x1b``.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
