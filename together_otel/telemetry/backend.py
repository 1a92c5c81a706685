"""A metrics backend: what is counted, and the ways out that it has."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from together_otel.telemetry.metrics import Metrics


class Outlet(Protocol):
    """A way out of metrics beside a registry or a meter: an HTTP endpoint, an export at exit."""

    def start(self) -> None:
        """Begin, or go on after `stop`. Never raises."""

    def stop(self) -> None:
        """End, and leave nothing open."""


class Backend:
    """The metrics of one ``instrument()``, and the outlets that they have.

    Args:
        metrics: what is counted.
        outlets: started and stopped with them.
    """

    def __init__(self, metrics: Metrics, outlets: tuple[Outlet, ...] = ()) -> None:
        self.metrics = metrics
        self._outlets = (metrics, *outlets)

    def start(self) -> None:
        """Begin to emit."""
        for one in self._outlets:
            one.start()

    def stop(self) -> None:
        """Emit no more."""
        for one in self._outlets:
            one.stop()


class Made:
    """Metrics by what they are emitted to, which they outlive ``uninstrument()`` with.

    Counters never fall, and OpenTelemetry cannot remove instruments. The object need not be
    hashable, and is not kept alive.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[weakref.ref[Any], dict[Hashable, Metrics]]] = {}

    def get(self, owner: object, kind: Hashable, make: Callable[[], Metrics]) -> Any:
        """Return the metrics of one kind for ``owner``, made if there are none."""
        key = id(owner)
        found = self._by_id.get(key)
        if found is None or found[0]() is not owner:
            found = weakref.ref(owner, lambda _: self._by_id.pop(key, None)), {}
            self._by_id[key] = found
        made = found[1]
        if kind not in made:
            made[kind] = make()
        return made[kind]
