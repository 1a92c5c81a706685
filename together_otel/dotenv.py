"""``.env`` files, read as python-dotenv reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOTENV_LARGEST: Final = 1024 * 1024
"""Bytes; what is larger is no such file."""

_BLANK: Final = re.compile(r"\s*")
_GAP: Final = re.compile(r"[^\S\r\n]*")
_EXPORT: Final = re.compile(r"(?:export[^\S\r\n]+)?")
_QUOTED_NAME: Final = re.compile(r"'([^']+)'")
_NAME: Final = re.compile(r"([^=#\s]+)")
_EQUALS: Final = re.compile(r"=[^\S\r\n]*")
_SINGLE: Final = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_DOUBLE: Final = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_UNQUOTED: Final = re.compile(r"([^\r\n]*)")
_END: Final = re.compile(r"(?:[^\S\r\n]*#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r|\Z)")
_BREAK: Final = re.compile(r"\r\n|\n|\r")
_REST: Final = re.compile(r"[^\r\n]*(?:\r|\n|\r\n)?")
_COMMENT: Final = re.compile(r"\s+#.*")
_REFERENCE: Final = re.compile(r"\$\{([^}:]*)(?::-([^}]*))?\}")

_SINGLE_ESCAPE: Final = re.compile(r"\\([\\'])")
_DOUBLE_ESCAPE: Final = re.compile(r"\\([\\'\"abfnrtv])")
_ESCAPED: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a file gives to variables.

    Attributes:
        values: its variables; of one that is there twice, the last.
        skipped: numbers of the lines at which something begins that is no assignment.
    """

    values: Mapping[str, str] = field(repr=False)
    skipped: tuple[int, ...] = ()


def parse(text: str, environ: Mapping[str, str]) -> Dotenv:
    """Read the text of a ``.env`` file.

    Args:
        text: ``NAME=value`` lines.
        environ: variables that are set already; ``${NAME}`` means these first.
    """
    values: dict[str, str] = {}
    skipped = []
    for line, name, value in _bindings(text):
        if name is None:
            skipped.append(line)
        elif value is None:
            values.pop(name, None)
        else:
            values[name] = _REFERENCE.sub(
                lambda found: environ.get(found[1], values.get(found[1], found[2] or "")), value
            )
    return Dotenv(values, tuple(skipped))


class _Unreadable(Exception):  # noqa: N818 - it never leaves this module
    """What follows is no assignment."""


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._line, self._counted = 1, 0
        self.place = 0

    def at(self, letters: str) -> bool:
        """Tell whether one of these letters is next."""
        return self._text[self.place : self.place + 1] in tuple(letters)

    def take(self, pattern: re.Pattern[str]) -> str:
        """Return what the pattern's group, if it has one, finds here, and go on behind it."""
        found = pattern.match(self._text, self.place)
        if found is None:
            raise _Unreadable
        self.place = found.end()
        return found[pattern.groups]

    def line(self) -> int:
        """Return the number of the line that it is at."""
        self._line += len(_BREAK.findall(self._text, self._counted, self.place))
        self._counted = self.place
        return self._line


def _bindings(text: str) -> Iterator[tuple[int, str | None, str | None]]:
    """Yield line, name and value of each assignment; no name where there is no assignment.

    A name alone has no value, and takes away the one that it had.
    """
    reader = _Reader(text)
    while True:
        reader.take(_BLANK)
        if reader.place == len(text):
            return
        line = reader.line()
        try:
            found = _binding(reader)
        except _Unreadable:
            reader.take(_REST)
            yield line, None, None
        else:
            if found is not None:
                yield line, *found


def _binding(reader: _Reader) -> tuple[str, str | None] | None:
    reader.take(_EXPORT)
    name = value = None
    if not reader.at("#"):
        name = reader.take(_QUOTED_NAME if reader.at("'") else _NAME)
    reader.take(_GAP)
    if reader.at("="):
        spaced = len(reader.take(_EQUALS)) > 1
        value = "" if spaced and reader.at("#") else _value(reader)
    reader.take(_END)
    return None if name is None else (name, value)


def _value(reader: _Reader) -> str:
    if reader.at("'"):
        return _SINGLE_ESCAPE.sub(r"\1", reader.take(_SINGLE))
    if reader.at('"'):
        return _DOUBLE_ESCAPE.sub(
            lambda found: _ESCAPED.get(found[1], found[1]), reader.take(_DOUBLE)
        )
    return _COMMENT.sub("", reader.take(_UNQUOTED)).rstrip()
