"""Redacts text from outside this package: no keys, valid UTF-8, bounded length.

Keys are found in two ways: parts of eight or more characters of a known key, in any encoding, and
everything that looks like a key.
"""

import re
from typing import Final

from together_otel.keys.known import EVERY_FIFTH, KnownKeys, Secrets, known_keys
from together_otel.keys.secret import digest_of
from together_otel.keys.shapes import DIGITS, WORDS, has_digits, without_shapes
from together_otel.plain.bounded import Bounded

LONGEST: Final = 32_768
"""Characters of a text that are kept; the rest is cut off and replaced by a notice."""

_MARGIN: Final = 512  # further characters that are searched, so that a key across the cut is found

_CUT: Final = "… [cut off]"
_WITHHELD: Final = "(withheld: its key is too long to be looked for)"

_UNWRITABLE: Final = "[\0\ud800-\udfff]"
"""Surrogates, which UTF-8 cannot encode, and NUL, which consumers reject."""

_SHORT: Final = 128
"""Texts that are shorter, such as ids, models and reasons, get a quick first check."""
_sign_in: Final = re.compile("|".join(map(re.escape, ("*", "..", "%", "\\", "\0", *WORDS)))).search
"""Every ASCII text that must be redacted contains one of these, or the digits of a legacy key."""

_REMEMBERED: Final = range(128, 8_192)
"""Lengths of texts whose redaction is cached: the same refusal may come thousands of times."""

_redacted: Bounded[tuple[bytes, bytes, int], str] = Bounded(256)
"""Digest of a text, identity of the known keys and length limit → the redacted text."""


def redact(text: str, secrets: Secrets = (), longest: int = LONGEST) -> str:
    """Return ``text`` without keys and passwords of URLs, as valid UTF-8.

    Args:
        text: text that is to be emitted.
        secrets: known keys; see `known_keys`.
        longest: the limit of its length, in characters.

    Returns:
        The text with ``[key]`` in place of keys and U+FFFD in place of surrogates and NUL, cut to
        at most ``longest`` characters with a notice at its end. If a secret is longer than 4,096
        characters, a sentence instead of the text.
    """
    known = secrets if type(secrets) is KnownKeys else known_keys(secrets)
    del secrets
    if type(text) is not str:  # an enum's member is formatted as its name
        text = str.__str__(text)
    if text and known.too_long:
        return _WITHHELD
    if len(text) < _SHORT and len(text) <= longest and _is_plain(text, known):
        return text
    window = text[: longest + _MARGIN]
    if len(window) not in _REMEMBERED or len(window) < len(text):
        return _without_keys(window, known, longest, cut=len(window) < len(text))
    place = digest_of(window), known.identity, longest
    redacted = _redacted.get(place)
    if redacted is None:
        redacted = _without_keys(window, known, longest)
        _redacted[place] = redacted
    return redacted


def _is_plain(text: str, known: KnownKeys) -> bool:
    """Return whether a quick check shows that a short text needs no redaction, as most."""
    small = text.lower()
    return (
        text.isascii()
        and not known.words
        and known.halves.isdisjoint(map(hash, EVERY_FIFTH(small)))
        and _sign_in(small) is None
        and (len(small) < len(DIGITS) or not has_digits(small))
    )


def _without_keys(text: str, known: KnownKeys, longest: int, *, cut: bool = False) -> str:
    """Redact the first characters of a text; ``cut`` says whether it has more of them."""
    text = without_shapes(known.hide(text))
    if cut:
        # A key cut by the window's end is not recognized: if others before it were replaced, the
        # margin has moved up, and is left out.
        text = text[: max(0, min(longest - len(_CUT), len(text) - _MARGIN))] + _CUT
    elif len(text) > longest:
        text = shortened(text, longest)
    return text if text.isascii() and "\0" not in text else re.sub(_UNWRITABLE, "\ufffd", text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a text cut to ``longest`` characters, with a notice where it was cut."""
    return text if len(text) <= longest else text[: max(0, longest - len(_CUT))] + _CUT


def escape_controls(text: str) -> str:
    r"""Return ``text`` on one line, with escapes for characters that are not printable.

    This prevents forged log lines and terminal control sequences: line ends, U+2028 and ANSI
    sequences become ``\n``, ``\u2028``, ``\x1b``.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
