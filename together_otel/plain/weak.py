"""A weak map keyed by object identity, because SDK objects may not be hashable."""

import weakref
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class WeakIdentityMap(Generic[Value]):
    """Maps objects to values. Keys must support weak references, but need not be hashable."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Any], Value]] = {}

    def __setitem__(self, key: Any, value: Value) -> None:
        place, values = id(key), self._values

        def forget(reference: weakref.ref[Any]) -> None:
            # Another object may have the same id by now.
            if (found := values.get(place)) is not None and found[0] is reference:
                values.pop(place, None)

        values[place] = weakref.ref(key, forget), value

    def get(self, key: Any) -> Value | None:
        """Return the value of an object, or ``None`` if it has none."""
        found = self._values.get(id(key))
        return found[1] if found is not None and found[0]() is key else None

    def __contains__(self, key: Any) -> bool:
        return self.get(key) is not None
