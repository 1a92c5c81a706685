"""What was said, made fit to leave the process: without keys, and no longer than it may be."""

from __future__ import annotations

import json
import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from together_otel.keys import MARK, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.keys import KnownKeys

LONGEST_TEXT: Final = 8_192
"""Characters of one text that are told."""

LONGEST_ATTRIBUTE: Final = 65_536
"""Characters of all texts of one attribute that are told."""

_OVERHEAD: Final = 16
"""Characters that a value costs beside its own: names and brackets are told as well."""

_SHORT: Final = 64
"""Characters of a text that are told however little room is left: types, roles and names."""

_MOST: Final = LONGEST_ATTRIBUTE // _OVERHEAD
"""Items of a list or a dictionary that are looked at: more would find no room."""

_DEEPEST: Final = 16
"""Levels of a value that are told."""

_LARGEST: Final = 2**63
"""Whole numbers from here on are told as text: OpenTelemetry's have 64 bits."""

_LONGEST_NUMBER: Final = 1024
"""Bits of a number that is told; Python itself refuses to write longer ones at some point."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
"""Halves of characters, which no exporter can encode."""

_CREDENTIAL: Final = re.compile(r"(?i)api[_-]?key$|authorization$")
"""Names whose values are keys, whatever they look like: redaction knows them inside a text."""


class _Room:
    """What is left of an attribute's size, and how its texts are made fit."""

    def __init__(self, secrets: KnownKeys) -> None:
        self._secrets = secrets
        self._left = LONGEST_ATTRIBUTE

    def conversation(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return messages, parts or tools: room is made for the first, then for the last ones."""
        order = [*range(min(1, len(items))), *range(len(items) - 1, 0, -1)]
        told: dict[int, Any] = {}
        for place in order:
            if self._left <= 0:
                break
            told[place] = self._item(items[place])
        return [told[place] for place in sorted(told)]

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return a message, a part or a tool with all of its fields, as the schemas ask for them."""
        return {
            name: [self._item(part) for part in inner if self._left > 0]
            if name == "parts"
            else self._value(inner)
            for name, inner in item.items()
        }

    def _value(self, value: Any, depth: int = 0) -> Any:
        self._left -= _OVERHEAD
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (int, float)):
            return self._number(value)
        if isinstance(value, (dict, list, tuple)):
            return self._inside(value, depth + 1) if depth < _DEEPEST else "…"
        return f"({type(value).__name__})"

    def _inside(self, value: Any, depth: int) -> Any:
        # Copied first, at once: it is the application's, which may be changing it.
        if isinstance(value, dict):
            return {
                str(self._value(name, _DEEPEST)): MARK
                if _is_credential(name, inner)
                else self._value(inner, depth)
                for name, inner in list(islice(value.items(), _MOST))
                if self._left > 0
            }
        return [self._value(inner, depth) for inner in value[:_MOST] if self._left > 0]

    def _text(self, text: str) -> str:
        told = redact(text, self._secrets, max(_SHORT, min(LONGEST_TEXT, self._left)))
        self._left -= len(told)
        return _SURROGATES.sub("\ufffd", told)

    def _number(self, value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if -_LARGEST <= value < _LARGEST:
            return value
        return self._text(str(value)) if value.bit_length() <= _LONGEST_NUMBER else "(int)"


def _is_credential(name: object, value: object) -> bool:
    return bool(
        value and isinstance(value, str) and isinstance(name, str) and _CREDENTIAL.search(name)
    )


def fit(content: Mapping[str, list[Any]], secrets: KnownKeys) -> dict[str, list[Any]]:
    """Return attributes of messages and the like, redacted and bounded; empty ones are left out.

    Args:
        content: attribute → what it holds, in the conventions' structure.
        secrets: keys known to be involved.

    Returns:
        The same structures. A text longer than 8,192 characters is cut off, and says so; of an
        attribute beyond 65,536 the messages in the middle are left out.
    """
    return {
        name: _Room(secrets).conversation(structure)
        for name, structure in content.items()
        if structure
    }


def as_json(content: Mapping[str, list[Any]]) -> dict[str, str]:
    """Return attributes for a span, which takes no structures: as JSON."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in content.items()}
