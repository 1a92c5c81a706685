"""What of a request's body is read while it is sent, and can or cannot be read again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from inspect import iscoroutine
from typing import Any


def rewinder(parts: Iterable[object]) -> Callable[[], bool]:
    """Note where the files of a body stand before it is sent.

    Args:
        parts: whatever the request sends, and collections of it.

    Returns:
        What puts them back, and tells whether all of the body can be read again.
    """
    places: list[tuple[Any, int | None]] = []
    for part in _flat(parts):
        if hasattr(part, "read"):
            places.append((part, _place(part)))
        elif hasattr(part, "__next__") or hasattr(part, "__anext__"):
            places.append((part, None))

    def rewind() -> bool:
        if any(place is None for _, place in places):
            return False
        try:
            for opened, place in places:
                opened.seek(place)
        except (AttributeError, OSError, ValueError):
            return False
        return True

    return rewind


def _place(opened: Any) -> int | None:
    """Return where a file stands; ``None`` where that is unknown: a pipe, say, or a closed file."""
    place = None
    with suppress(AttributeError, OSError, ValueError):
        place = opened.tell()
    if iscoroutine(place):
        place.close()
    return place if isinstance(place, int) else None


def _flat(parts: Iterable[object]) -> Iterator[object]:
    for part in parts:
        if isinstance(part, Mapping):
            yield from _flat(part.values())
        elif isinstance(part, (list, tuple)):
            yield from _flat(part)
        elif part is not None and not isinstance(part, (str, bytes, bytearray)):
            yield part
