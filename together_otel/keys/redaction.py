"""Text and exceptions → the same without keys.

Two nets, one inside the other: every stretch that shares eight characters with a key that
is known to be involved, in whichever escaping; and every stretch that looks like a key.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from together_otel.keys.formats import PROVIDER_PREFIXES, PUBLIC_PREFIX
from together_otel.keys.tracebacks import format_traceback
from together_otel.names import KEY_VARIABLE, KEYS_PAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MARK: Final = "[key]"
"""What stands where a key was. Shorter than the stretch that betrays one."""

TELLING: Final = 8
"""Consecutive characters of a key that are not to be seen; prefixes are public."""

LONGEST: Final = 65_536
"""Characters of a text that are looked at; the rest is cut off, and the text says so."""

_MARGIN: Final = 512
"""Characters beyond those, looked at so that a key across the cut is seen whole."""

_CUT: Final = "… [cut off]"

_SHORTEST: Final = 4
"""Shorter "keys" than this are everyday words: only patterns hide them."""

LONGEST_SECRET: Final = 4096
"""Characters beyond which a secret is no key: a file read whole. To tell its stretches apart
from the text's would cost seconds and a hundred megabytes."""

_WITHHELD: Final = "(withheld: its key is too long to be looked for)"

_PREFIXES: Final = "|".join(re.escape(prefix) for prefix in PROVIDER_PREFIXES)
_GAP: Final = r"\s|%20|\+|\\t|\\n"
_OPENING: Final = r"(?:\\*['\"]|\[(?!key\]))*"
_WORD: Final = r"[^\s'\",;)}\[\]>]"
_MARKS_OF_OTHERS: Final = tuple(
    prefix.lower()
    for prefix in PROVIDER_PREFIXES
    if not any(other in prefix for other in PROVIDER_PREFIXES if other != prefix)
)
"""Every text with another provider's prefix has one of these: ``sk-ant-`` has ``sk-``."""

_DIGITS: Final = "0" * 56
_HEX_AS_ZEROS: Final = str.maketrans("123456789abcdef", "0" * 15)
_PATTERNS: Final = (
    ((PUBLIC_PREFIX,), r"(?i)(tgp_v1_)[A-Za-z0-9_\-]+", r"\1" + MARK),
    # A quoted value, whole: white space and other quotes may be what is wrong with the key.
    (
        ("authorization", "api_key", "api-key", "apikey"),
        (
            r"(?i)((?:authorization\\*['\"]?\s*[:=,]|api[_-]?key\\*['\"]?\s*[:=])"
            rf"\s*b?(\\*['\"])(?!bearer(?:{_GAP})*\2)(?:bearer(?:{_GAP})+)?(?:tgp_v1_)?)"
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
        ("authorization",),
        (
            rf"(?i)(authorization\s*[:=]\s*(?:(?:basic|digest|token)\s+)?)"
            rf"(?!bearer|\[key\]|basic|digest|token){_WORD}+"
        ),
        r"\1" + MARK,
    ),
    (
        ("api_key=",),
        rf"(API_KEY=)(?!\$|\[key\]|tgp_v1_\[key\]){_WORD}+",
        r"\1" + MARK,
    ),
    ((_DIGITS,), r"(?<![0-9A-Za-z])[0-9a-fA-F]{56,72}(?![0-9A-Za-z])", MARK),
    (
        _MARKS_OF_OTHERS,
        rf"(?<![A-Za-z0-9_-])(?:{_PREFIXES})[A-Za-z0-9_\-]{{12,}}",
        MARK,
    ),
    # A JWT: two or three stretches of base64, the first of which begins with {".
    (("eyj",), r"(?<![A-Za-z0-9_-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", MARK),
)
"""What a pattern needs one of in a text in small letters, the pattern, what it is replaced by.

To look for a word is many times faster than to search for a pattern. Patterns are texts, here
and in the rooms beside: `re` compiles them at their first use and not at the import.
"""


def redact(text: str, secrets: Collection[str] = (), longest: int = LONGEST) -> str:
    """Return ``text`` without keys.

    Args:
        text: anything that is to be emitted.
        secrets: keys known to be involved. Of those under 8 characters, whole words are
            hidden; those under 4 are left to the patterns.
        longest: characters of the text that are wanted.

    Returns:
        The text with ``[key]`` in their place; at most ``longest`` characters of it, and a
        word that says so where it was cut. A sentence
        in its stead when a secret is longer than 4,096 characters.
    """
    if text and any(len(secret) > LONGEST_SECRET for secret in secrets):
        return _WITHHELD
    cut = len(text) > longest
    seen_whole = len(text) <= longest + _MARGIN
    text = text[: longest + _MARGIN]
    for secret in secrets:
        text = _without(text, secret)
    text = _without_shapes(text)
    if cut or len(text) > longest:
        # A key cut by the window's end looks like none: where others before it were taken out,
        # the margin has moved up, and is not told.
        end = longest if seen_whole else min(longest, len(text) - _MARGIN + len(_CUT))
        text = text[: max(0, end - len(_CUT))] + _CUT
    return text


def _without_shapes(text: str) -> str:
    # Beyond ASCII there are letters that a pattern takes for small ones, and `lower` does not.
    foreign = not text.isascii()
    small = text.lower()
    if _DIGITS in small.translate(_HEX_AS_ZEROS):
        small += _DIGITS
    for needed, pattern, replacement in _PATTERNS:
        for word in needed:
            if foreign or word in small:
                text = re.sub(pattern, replacement, text)
                break
    return text


def _without(text: str, secret: str) -> str:
    if len(secret.strip()) < TELLING:
        word = secret.strip()
        if len(word) < _SHORTEST or word not in text:
            return text
        return re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", MARK, text)
    grams, halves = _grams(secret)
    folded = _folded(text)
    # A stretch of eight has a stretch of four at one of any five places in a row.
    places = range(0, len(text), _HALF + 1)
    if halves.isdisjoint([folded[place : place + _HALF] for place in places]):
        return text
    hidden = bytearray(len(text))
    for place in range(len(text) - TELLING + 1):
        if folded[place : place + TELLING] in grams:
            hidden[place : place + TELLING] = b"\1" * TELLING
    return _masked(text, hidden)


def _folded(text: str) -> str:
    """Return ``text`` in lower case, each character in its place."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _masked(text: str, hidden: bytearray) -> str:
    parts: list[str] = []
    place = 0
    while (start := hidden.find(1, place)) >= 0:
        end = hidden.find(0, start)
        end = len(text) if end < 0 else end
        parts += (text[place:start], MARK)
        place = end
    return "".join((*parts, text[place:]))


_HALF: Final = TELLING // 2


@lru_cache(maxsize=16)
def _grams(secret: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the stretches of eight characters of a secret in each way it may be written.

    And those of four within them, for a quick look. All are in lower case.
    """
    grams = frozenset().union(*map(_stretches, _writings(secret))) - _PUBLIC
    return grams, frozenset(
        gram[place : place + _HALF] for gram in grams for place in range(TELLING - _HALF + 1)
    )


def _stretches(text: str) -> set[str]:
    text = _folded(text)
    return {text[place : place + TELLING] for place in range(len(text) - TELLING + 1)}


_PUBLIC: Final = frozenset[str]().union(
    *map(_stretches, (KEY_VARIABLE, KEYS_PAGE, "Authorization: Bearer "))
)
"""Stretches of what is often pasted or put in a key's place, and is no secret."""


def _writings(secret: str) -> Iterator[str]:
    # The prefix is public, and everyone's: hiding it would hide what kind of key it was.
    bare = secret.strip().removeprefix(PUBLIC_PREFIX)
    for text in {bare, bare.lower(), bare.upper()}:
        data = text.encode("utf-8", "surrogatepass")
        yield text
        yield repr(text)[1:-1]
        yield ascii(text)[1:-1]
        yield json.dumps(text)[1:-1]
        yield repr(data)[2:-1]
        yield quote(data, safe="")
        yield quote_plus(data)
    whole = secret.encode("utf-8", "surrogatepass")
    for offset in range(3):
        # Inside a longer text base64 starts at any of three offsets; what shares a digit
        # with its neighbours is left out.
        data = b"\0" * offset + whole
        data = data[: len(data) - len(data) % 3]
        yield base64.b64encode(data).decode()[offset and offset + 1 :]


@dataclass(frozen=True, slots=True)
class RedactedException:
    """What may be told of an exception: its public name, its text, and its traceback if asked for."""

    type: str
    message: str
    stacktrace: str


def redact_exception(
    exc: BaseException, secrets: Collection[str] = (), *, with_stacktrace: bool = True
) -> RedactedException:
    """Return what may be told of an exception and of its causes.

    Args:
        exc: the exception; it is not changed.
        secrets: keys known to be involved.
        with_stacktrace: whether its traceback, and those of its causes, are worth the formatting.
    """
    try:
        message = str(exc)
    except Exception:  # noqa: BLE001 - an exception's own __str__ may do anything
        message = "(its text cannot be read)"
    stacktrace = redact(_formatted(exc), secrets) if with_stacktrace else ""
    return RedactedException(public_name(type(exc)), redact(message, secrets), stacktrace)


def _formatted(exc: BaseException) -> str:
    try:
        return format_traceback(exc)
    except Exception:  # noqa: BLE001 - it asks the exception, its causes and its notes
        return "(its traceback cannot be read)"


def public_name(cls: type) -> str:
    """Return a class's qualified name as its users import it.

    ``together._exceptions.RateLimitError`` is ``together.RateLimitError`` to them. A builtin
    has no prefix; a public module is left as it is.
    """
    module, name = str(cls.__module__), cls.__qualname__
    if module == "builtins":
        return name
    parts = module.split(".")
    private = any(part.startswith("_") for part in parts)
    for end in range(1, len(parts) if private else 1):
        package = ".".join(parts[:end])
        # Not getattr: a module's own __getattr__ may import, or fail.
        if getattr(sys.modules.get(package), "__dict__", {}).get(name) is cls:
            return f"{package}.{name}"
    return f"{module}.{name}"
