"""A metrics backend: metrics and the outlets that export them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from together_otel.telemetry.metrics import Metrics

_METRICS = "_together_otel_metrics"


class Outlet(Protocol):
    """Exports metrics in addition to a registry or a meter: an HTTP endpoint or export at exit."""

    def start(self) -> None:
        """Start, or restart after `stop`. Never raises."""

    def stop(self) -> None:
        """Stop, and close everything."""


class Backend:
    """The metrics of one ``instrument()`` call and their outlets.

    Args:
        metrics: the metrics.
        outlets: started and stopped together with the metrics.
    """

    def __init__(self, metrics: Metrics, outlets: tuple[Outlet, ...] = ()) -> None:
        self.metrics = metrics
        self._outlets = (metrics, *outlets)

    def start(self) -> None:
        """Start to emit."""
        for one in self._outlets:
            one.start()

    def stop(self) -> None:
        """Stop emitting."""
        for one in self._outlets:
            one.stop()


def metrics_for(
    owner: object, kind: Hashable, make: Callable[[], Metrics], stand_in: object = None
) -> Any:
    """Return the metrics of one kind that are emitted to ``owner``, created if there are none.

    They outlive ``uninstrument()``, because counters must not decrease and OpenTelemetry cannot
    remove instruments. They are stored on ``owner`` itself, where a newly imported copy of this
    package finds them, too.

    Args:
        owner: a registry or a meter provider.
        kind: distinguishes metrics that the owner can have next to each other.
        make: creates them.
        stand_in: stood for ``owner`` at first; metrics created for it are emitted to ``owner``.
    """
    of_stand_in = getattr(stand_in, "__dict__", {}).get(_METRICS, {})
    made: dict[Hashable, Metrics] = getattr(owner, "__dict__", {}).setdefault(_METRICS, of_stand_in)
    if kind not in made:
        made[kind] = make()
    return made[kind]
