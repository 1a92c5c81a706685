"""A metrics backend: what is counted, and the ways out that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from together_otel.telemetry.metrics import Metrics

_METRICS = "_together_otel_metrics"


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


def metrics_for(owner: object, kind: Hashable, make: Callable[[], Metrics]) -> Any:
    """Return the metrics of one kind that are emitted to ``owner``, made if there are none.

    They outlive ``uninstrument()``: counters never fall, and OpenTelemetry cannot remove
    instruments. So they are kept by ``owner`` itself, where a copy of this package that is imported
    anew finds them, too.
    """
    made: dict[Hashable, Metrics] = getattr(owner, "__dict__", {}).setdefault(_METRICS, {})
    if kind not in made:
        made[kind] = make()
    return made[kind]
