"""Rewinding of the files in a request's body, so that the request can be sent again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from inspect import iscoroutine
from typing import Any


def rewinder(parts: Iterable[object]) -> Callable[[], bool]:
    """Record the positions of the files in a body, maybe in collections, before it is sent.

    Returns a function that restores them and returns whether the whole body can be read again.
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
    """Return a file's position, or ``None`` if it has none, such as a pipe or a closed file."""
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
