"""Chains of sources, and which chain applies in the current context."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from together_otel.guard import warn
from together_otel.names import RECOVERY_OUTCOMES, SCOPE
from together_otel.recovery.sources import Source, as_sources, from_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from together_otel.auth.runtime import Runtime
    from together_otel.recovery.watching import WatchedFile
    from together_otel.telemetry.metrics import Metrics

_log = logging.getLogger(f"{SCOPE}.recovery")

chosen: ContextVar[object] = ContextVar("together_otel-recovery")
"""The `Recovery` that `use` sets, or ``None`` for no recovery; not set outside of `use`."""

searching: ContextVar[bool] = ContextVar("together_otel-searching", default=False)
"""Whether a source is running. Calls that it makes must not wait for its result."""


class Recovery:
    """A chain of sources in use, and the files that they watch."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self.sources = sources
        self.watched: list[WatchedFile] = [one.watched for one in sources if one.watched]
        for one in self.watched:
            one.look()


def recovery_of(
    given: object, setting: tuple[tuple[str, str], ...], metrics: Metrics
) -> Recovery | None:
    """Return the recovery given to ``instrument()``, or else the setting's; ``None`` means off."""
    try:
        sources = from_setting(setting) if given is None else as_sources(given)
    except TypeError as exc:
        warn(_log, "Recovery is off: %s.", exc)
        return None
    if not sources:
        return None
    for outcome in RECOVERY_OUTCOMES:
        metrics.recovered(outcome, 0)
    return Recovery(sources)


@contextmanager
def use(*sources: Source | Callable[[], Any]) -> Iterator[None]:
    """Use these sources for recovery in a block of code; without sources, turn recovery off there.

    Overrides ``instrument(recovery=…)``. Applies to the current thread or task and to the tasks
    that it starts, while the instrumentation is on.

    Args:
        *sources: the chain; each source is asked if those before it have no new key.

    Raises:
        TypeError: if one of them is not a source.
    """
    token = chosen.set(Recovery(as_sources(sources)) if sources else None)
    try:
        yield
    finally:
        chosen.reset(token)


def in_use(runtime: Runtime) -> Recovery | None:
    """Return the recovery of the current context, or ``None`` while a source is running."""
    recovery = chosen.get(runtime.recovery)
    return recovery if isinstance(recovery, Recovery) and not searching.get() else None
