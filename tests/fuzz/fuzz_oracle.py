"""Whether a text shows a key, told without anything of the package that hides them.

A text is read as it is and as a reader would decode it: HTML, percent-encoding, escapes of JSON
and Python. What is looked for are eight characters in a row of a key in any case, eight of its
base64 and sixteen of its hexadecimal digits, its last four behind a mask, and a short key as a word.
"""

import base64
import html
import re
from urllib.parse import unquote

_TELLING = 8
_QUICK = 4
_STEP = _TELLING - _QUICK + 1
"""Of eight characters in a row, one of any five places begins four that lie within them."""
_AROUND = 60
_SIGNS = "*•·…"
"""Of masks; two dots or more are one as well."""
_MASKED_FROM = 20
_BASE64_DIGIT_BITS = 6
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrt0\"'\\/]))")
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def _unescaped(found):
    digits = found[1] or found[2]
    return chr(int(digits, 16)) if digits else _NAMED.get(found[3], found[3])


def _readings(text):
    """Yield a text as it is, and as those who decode it read it."""
    yield text
    if "&" in text:
        yield html.unescape(text)
    if "%" in text:
        yield unquote(text)
    if "\\" in text:
        once = _ESCAPE.sub(_unescaped, text)
        yield once
        if "\\" in once:
            yield _ESCAPE.sub(_unescaped, once)


def _encodings(core):
    data = core.encode("utf-8", "surrogatepass")
    for offset in range(3):
        # The digits that are made of the core alone, wherever it stands in what is encoded.
        digits = base64.b64encode(b"\0" * offset + data + b"\0\0").decode()
        first = -(-offset * 8 // _BASE64_DIGIT_BITS)
        last = (offset + len(data)) * 8 // _BASE64_DIGIT_BITS
        yield digits[first:last]
        yield digits[first:last].translate({43: "-", 47: "_"})


def _stretches(text, length):
    return (text[at : at + length] for at in range(len(text) - length + 1))


class Forbidden:
    """What must not be seen of some keys."""

    def __init__(self, keys):
        self._stretches = set()
        self._digits = set()
        self._quick = set()
        self._words = []
        self._tails = []
        for key in keys:
            core = key.core.strip()
            if len(core) < _TELLING:
                word = re.escape(key.text.strip())
                self._words.append(re.compile(rf"(?<![0-9A-Za-z_]){word}(?![0-9A-Za-z_])"))
                continue
            for text in {core.lower(), *map(str.lower, _encodings(core))}:
                self._stretches.update(_stretches(text, _TELLING))
                self._quick.update(_stretches(text, _QUICK))
            digits = core.encode("utf-8", "surrogatepass").hex()
            self._digits.update(_stretches(digits, 2 * _TELLING))
            self._quick.update(_stretches(digits, _QUICK))
            if len(core) >= _MASKED_FROM and key.text.strip().endswith(core):
                self._tails.append(core[-_QUICK:])

    def shown_in(self, text):
        """Return what a text shows, with what stands around it; ``None`` for nothing."""
        for reading in _readings(text):
            at = self._place_in(reading)
            # An escape beside a word makes it another one.
            for word in self._words if at is None and reading is text else ():
                if found := word.search(reading):
                    at = found.start()
            if at is not None:
                return reading[max(0, at - _AROUND) : at + _AROUND]
        return None

    def _place_in(self, reading):
        small, quick = reading.lower(), self._quick
        places = range(0, len(small), _STEP)
        for near in [at for at in places if small[at : at + _QUICK] in quick]:
            for at in range(max(0, near - 2 * _TELLING), near + 1):
                if (
                    small[at : at + _TELLING] in self._stretches
                    or small[at : at + 2 * _TELLING] in self._digits
                ) and not (small[at - 1 : at] == "\\" and small[at] in _NAMED):
                    return at  # its first letter is its own, and not an escape's
        for tail in self._tails:
            at = reading.find(tail)
            while at > 0:
                if reading[at - 1] in _SIGNS or reading[at - 2 : at] == "..":
                    return at
                at = reading.find(tail, at + 1)
        return None
