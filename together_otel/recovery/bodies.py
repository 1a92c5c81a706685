"""What of a request's body is read while it is sent, and can or cannot be read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Bodies:
    """The parts of a body as they are before a request, to be put back for another one.

    Args:
        parts: whatever the request sends, and collections of it.
    """

    def __init__(self, parts: Iterable[object]) -> None:
        self._repeatable = True
        self._places: list[tuple[Any, int]] = []
        for part in _flat(parts):
            if hasattr(part, "read"):
                self._note(part)
            elif hasattr(part, "__next__") or hasattr(part, "__anext__"):
                self._repeatable = False

    def _note(self, opened: Any) -> None:
        place = None
        with suppress(AttributeError, OSError, ValueError):  # a pipe, say, or a closed file
            place = opened.tell()
        if isinstance(place, int):
            self._places.append((opened, place))
            return
        self._repeatable = False
        if iscoroutine(place):
            place.close()

    def put_back(self) -> bool:
        """Rewind what has been read; tell whether all of it can be read again."""
        if self._repeatable:
            try:
                for opened, place in self._places:
                    opened.seek(place)
            except (AttributeError, OSError, ValueError):
                self._repeatable = False
        return self._repeatable


def _flat(parts: Iterable[object]) -> Iterator[object]:
    for part in parts:
        if isinstance(part, Mapping):
            yield from _flat(part.values())
        elif isinstance(part, (list, tuple)):
            yield from _flat(part)
        elif part is not None and not isinstance(part, (str, bytes, bytearray)):
            yield part
