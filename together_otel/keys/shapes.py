"""Hides what looks like a key or a password in a URL, without knowing it.

Every pattern takes linear time: each repetition matches in one way only or is bounded, and is
tried only at the beginning of a run.
"""

import re
from typing import Final

from together_otel.keys.formats import PROVIDER_PREFIXES, PUBLIC_PREFIX
from together_otel.keys.known import MARK

_PREFIXES: Final = "|".join(re.escape(prefix) for prefix in PROVIDER_PREFIXES)
_GAP: Final = r"\s|%20|\+|\\t|\\n"
_QUOTE: Final = r"\\{0,32}['\"]"  # a quote as nested JSON escapes it, up to five levels
_OPENING: Final = rf"(?:{_QUOTE}|\[(?!key\]))*"
_WORD: Final = r"[^\s'\",;)}\[\]>]"
_MARKS_OF_OTHERS: Final = tuple(
    prefix.lower()
    for prefix in PROVIDER_PREFIXES
    if not any(other in prefix for other in PROVIDER_PREFIXES if other != prefix)
)
"""Every text with another provider's prefix contains one of these: ``sk-ant-`` contains ``sk-``."""

DIGITS: Final = "0" * 56
_HEX_AS_ZEROS: Final = str.maketrans("123456789abcdef", "0" * 15)
PATTERNS: Final = (
    ((PUBLIC_PREFIX,), r"(?i)(tgp_v1_)[A-Za-z0-9_\-]+", r"\1" + MARK),
    # A quoted value as a whole: its key may contain white space or other quotes.
    (
        ("authorization", "api_key", "api-key", "apikey"),
        (
            rf"(?i)((?:authorization(?:{_QUOTE})?\s*[:=,]|api[_-]?key(?:{_QUOTE})?\s*[:=])"
            rf"\s*b?({_QUOTE})(?!bearer(?:{_GAP})*\2)(?:bearer(?:{_GAP})+)?(?:tgp_v1_)?)"
            r"(?:(?!\2)(?:\\[^\n]|[^\\\n]))+"
        ),
        r"\1" + MARK,
    ),
    # An Authorization header in any spelling: only the scheme stays.
    (
        ("bearer",),
        (
            rf"(?i)(bearer(?:{_GAP})+{_OPENING})"
            rf"(?!{_GAP}|tgp_v1_\[key\]|\\*['\"]|(?:auth|tokens?|YOUR_KEY)(?![\w-]|\.\w))"
            rf"{_WORD}+(?:\[key\]{_WORD}*)*"
        ),
        r"\1" + MARK,
    ),
    (
        ("authorization", "x-api-key"),
        (
            rf"(?i)((?:authorization|x-api-key)\s*[:=]\s*(?:(?:basic|digest|token)\s+)?)"
            rf"(?!bearer|\[key\]|tgp_v1_\[key\]|basic|digest|token){_WORD}+"
        ),
        r"\1" + MARK,
    ),
    (("key=",), rf"(API_KEY=)(?!\$|\[key\]|tgp_v1_\[key\]){_WORD}+", r"\1" + MARK),
    # A parameter of a URL's query, as some gateways take keys.
    (
        ("key=", "token="),
        (
            r"(?i)((?:\A|[?&])(?:[\w-]{0,32}[_-])?(?:api)?(?:key|token)=)"
            r"(?!\$|\[key\]|tgp_v1_\[key\])[^\s&#'\"<>]+"
        ),
        r"\1" + MARK,
    ),
    ((DIGITS,), r"(?<![0-9A-Za-z])[0-9a-fA-F]{56,72}(?![0-9A-Za-z])", MARK),
    # Not a name in lower case, such as hf_hub_download.
    (
        _MARKS_OF_OTHERS,
        rf"(?<![A-Za-z0-9_-])(?:{_PREFIXES})(?![a-z_-]+(?![\w-]))[A-Za-z0-9_\-]{{12,}}",
        MARK,
    ),
    # A JWT: two or three parts in base64, the first of which encodes {" at its beginning.
    (("eyj",), r"(?<![A-Za-z0-9_-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", MARK),
    # User name and password of a URL, which JSON may escape; then those without a scheme, as in
    # proxy variables.
    (("@",), r"(/\\?/)[^\s/?#\"<>]*@", rf"\1{MARK}@"),
    (("%40",), r"(?i)(%2f%2f)(?:(?!%2f)[^\s/?#&\"<>])*%40", rf"\1{MARK}%40"),
    (("@",), r"(?<![\w.%+~-])(?!mailto:)[\w.%+~-]+:[^\s:/@\"'<>]+@(?=[\w\[])", MARK + "@"),
)
"""Words, one of which a lower-case text must contain for the pattern to match; the pattern; its
replacement.

Searching for a word is many times faster than searching for a pattern. Patterns are strings, here
and in the modules beside this one, so that `re` compiles them at their first use, not at the import.
"""


WORDS: Final = tuple(
    sorted({word for needed, _, _ in PATTERNS for word in needed} - {DIGITS}, key=len)
)
"""All these words, without the digits."""


def has_digits(small: str) -> bool:
    """Return whether a lower-case text has as many consecutive hexadecimal digits as a legacy key."""
    return DIGITS in small.translate(_HEX_AS_ZEROS)


def without_shapes(text: str) -> str:
    """Return ``text`` with a mark in place of what looks like a key or a password."""
    # Outside ASCII, case-insensitive patterns match letters that `lower` leaves as they are.
    foreign = not text.isascii()
    small = text.lower()
    if has_digits(small):
        small += DIGITS
    elif not foreign and not any(word in small for word in WORDS):
        return text
    for needed, pattern, replacement in PATTERNS:
        for word in needed:
            if foreign or word in small:
                text = re.sub(pattern, replacement, text)
                break
    return text
