"""What was said, made fit to leave the process: without keys, and no longer than it may be."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from together_otel.keys import redact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

LONGEST_TEXT: Final = 8_192
"""Characters of one text that are told."""

LONGEST_ATTRIBUTE: Final = 65_536
"""Characters of all texts of one attribute that are told."""

_OVERHEAD: Final = 16
"""Characters that a value costs beside its own: names and brackets are told as well."""

_DEEPEST: Final = 16
"""Levels of a value that are told."""


class _Room:
    """What is left of an attribute's size, and how its texts are made fit."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = secrets
        self._left = LONGEST_ATTRIBUTE

    def text(self, text: str) -> str:
        told = redact(text, self._secrets, max(0, min(LONGEST_TEXT, self._left)))
        self._left -= len(told)
        return told

    def value(self, value: Any, depth: int = 0) -> Any:
        self._left -= _OVERHEAD
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, (bool, int, float)):
            return value if not isinstance(value, float) or math.isfinite(value) else str(value)
        if depth >= _DEEPEST:
            return "…"
        if isinstance(value, dict):
            return {
                self.text(str(name)): self.value(inner, depth + 1)
                for name, inner in value.items()
                if self._left > 0
            }
        if isinstance(value, (list, tuple)):
            return [self.value(inner, depth + 1) for inner in value if self._left > 0]
        return f"({type(value).__name__})"

    def conversation(self, messages: list[Any]) -> list[Any]:
        """Return messages: room is made for the first, then for the last ones."""
        order = [*range(min(1, len(messages))), *range(len(messages) - 1, 0, -1)]
        told: dict[int, Any] = {}
        for place in order:
            if self._left <= 0:
                break
            told[place] = self.value(messages[place])
        return [told[place] for place in sorted(told)]


def fit(content: Mapping[str, list[Any]], secrets: Collection[str]) -> dict[str, list[Any]]:
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
