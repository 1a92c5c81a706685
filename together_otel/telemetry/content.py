"""Redaction and size limits for the content of calls."""

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
"""Maximum length of one text, in characters."""

LONGEST_ATTRIBUTE: Final = 65_536
"""Maximum length of all texts of one attribute together, in characters."""

_OVERHEAD: Final = 16
"""Characters that each value counts in addition to its own, for names and brackets."""

_SHORT: Final = 64
"""Characters of a text that are kept even if the limit is reached, for types, roles and names."""

_MOST: Final = LONGEST_ATTRIBUTE // _OVERHEAD
"""Maximum number of items read from a list or a dict: more would exceed the limit."""

_DEEPEST: Final = 16  # maximum depth of a value

_LARGEST: Final = 2**63  # integers from here on are emitted as text: OpenTelemetry's have 64 bits

_LONGEST_NUMBER: Final = 1024
"""Maximum bits of an emitted integer; Python cannot convert very long ones to text."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")  # lone surrogates, which no exporter can encode

_CREDENTIAL: Final = re.compile(r"(?i)api[_-]?key$|authorization$")
"""Names whose values are always replaced; redaction itself knows such names only inside a text."""


class _SizeLimit:
    """Redacts the texts of one attribute, up to its size limit."""

    def __init__(self, secrets: KnownKeys) -> None:
        self._secrets = secrets
        self._left = LONGEST_ATTRIBUTE

    def conversation(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return messages, parts or tools that fit: the first, then as many of the last as fit."""
        order = [*range(min(1, len(items))), *range(len(items) - 1, 0, -1)]
        kept: dict[int, Any] = {}
        for place in order:
            if self._left <= 0:
                break
            kept[place] = self._item(items[place])
        return [kept[place] for place in sorted(kept)]

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return a message, a part or a tool with all of its fields, which the schemas require."""
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
        # Copied first, because the application may change it in another thread.
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
        redacted = redact(text, self._secrets, max(_SHORT, min(LONGEST_TEXT, self._left)))
        self._left -= len(redacted)
        return _SURROGATES.sub("\ufffd", redacted)

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
    """Return the attributes of content, redacted and limited in size; empty ones are omitted.

    A text longer than 8,192 characters is cut and marked as such. If an attribute exceeds 65,536
    characters, messages in the middle are omitted.
    """
    return {
        name: _SizeLimit(secrets).conversation(structure)
        for name, structure in content.items()
        if structure
    }


def as_json(content: Mapping[str, list[Any]]) -> dict[str, str]:
    """Return the attributes as JSON for a span, whose attributes cannot be structures."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in content.items()}
