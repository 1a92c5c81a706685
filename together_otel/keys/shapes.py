"""What looks like a key, or like a password of a URL, hidden though nobody knows it.

Every pattern is linear: what it repeats has one way to match, or a bound, and it is tried at the
beginning of a run only.
"""

import re
from typing import Final

from together_otel.keys.formats import PROVIDER_PREFIXES, PUBLIC_PREFIX
from together_otel.keys.known import MARK

_PREFIXES: Final = "|".join(re.escape(prefix) for prefix in PROVIDER_PREFIXES)
_GAP: Final = r"\s|%20|\+|\\t|\\n"
_QUOTE: Final = r"\\{0,32}['\"]"
"""As JSON within JSON has it, up to five deep."""
_OPENING: Final = rf"(?:{_QUOTE}|\[(?!key\]))*"
_WORD: Final = r"[^\s'\",;)}\[\]>]"
_MARKS_OF_OTHERS: Final = tuple(
    prefix.lower()
    for prefix in PROVIDER_PREFIXES
    if not any(other in prefix for other in PROVIDER_PREFIXES if other != prefix)
)
"""Every text with another provider's prefix has one of these: ``sk-ant-`` has ``sk-``."""

_DIGITS: Final = "0" * 56
_HEX_AS_ZEROS: Final = str.maketrans("123456789abcdef", "0" * 15)
PATTERNS: Final = (
    ((PUBLIC_PREFIX,), r"(?i)(tgp_v1_)[A-Za-z0-9_\-]+", r"\1" + MARK),
    # A quoted value, whole: white space and other quotes may be what is wrong with the key.
    (
        ("authorization", "api_key", "api-key", "apikey"),
        (
            rf"(?i)((?:authorization(?:{_QUOTE})?\s*[:=,]|api[_-]?key(?:{_QUOTE})?\s*[:=])"
            rf"\s*b?({_QUOTE})(?!bearer(?:{_GAP})*\2)(?:bearer(?:{_GAP})+)?(?:tgp_v1_)?)"
            r"(?:(?!\2)(?:\\[^\n]|[^\\\n]))+"
        ),
        r"\1" + MARK,
    ),
    # An Authorization header in any spelling: the scheme stays, what follows it goes.
    (
        ("bearer",),
        (
            rf"(?i)(bearer(?:{_GAP})+{_OPENING})"
            rf"(?!{_GAP}|tgp_v1_\[key\]|\\*['\"])"
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
    (("api_key=",), rf"(API_KEY=)(?!\$|\[key\]|tgp_v1_\[key\]){_WORD}+", r"\1" + MARK),
    ((_DIGITS,), r"(?<![0-9A-Za-z])[0-9a-fA-F]{56,72}(?![0-9A-Za-z])", MARK),
    (_MARKS_OF_OTHERS, rf"(?<![A-Za-z0-9_-])(?:{_PREFIXES})[A-Za-z0-9_\-]{{12,}}", MARK),
    # A JWT: two or three stretches of base64, the first of which begins with {".
    (("eyj",), r"(?<![A-Za-z0-9_-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", MARK),
    # User name and password of a URL, which JSON may have escaped; then those without a scheme,
    # as variables for proxies have them.
    (("@",), r"(/\\?/)[^\s/?#\"<>]*@", rf"\1{MARK}@"),
    (("%40",), r"(?i)(%2f%2f)(?:(?!%2f)[^\s/?#&\"<>])*%40", rf"\1{MARK}%40"),
    (("@",), r"(?<![\w.%+~-])(?!mailto:)[\w.%+~-]+:[^\s:/@\"'<>]+@(?=[\w\[])", MARK + "@"),
)
"""What a pattern needs one of in a text in small letters, the pattern, what it is replaced by.

To look for a word is many times faster than to search for a pattern. Patterns are texts, here
and in the modules beside: `re` compiles them at their first use and not at the import, but for what
most texts pass.
"""


WORDS: Final = tuple(
    sorted({word for needed, _, _ in PATTERNS for word in needed} - {_DIGITS}, key=len)
)
"""Those words, but for digits."""


def has_digits(small: str) -> bool:
    """Return whether a text in small letters has as many digits in a row as a key of digits."""
    return len(small) >= len(_DIGITS) and _DIGITS in small.translate(_HEX_AS_ZEROS)


def without_shapes(text: str) -> str:
    """Return ``text`` with a mark where something looks like a key or a password."""
    # Beyond ASCII there are letters that a pattern takes for small ones, and `lower` does not.
    foreign = not text.isascii()
    small = text.lower()
    if has_digits(small):
        small += _DIGITS
    elif not foreign and not any(word in small for word in WORDS):
        return text
    for needed, pattern, replacement in PATTERNS:
        for word in needed:
            if foreign or word in small:
                text = re.sub(pattern, replacement, text)
                break
    return text
