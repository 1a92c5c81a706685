"""Chains of sources, and which of them holds where."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from together_otel.names import RECOVERY_OUTCOMES, SCOPE
from together_otel.recovery.sources import Source, as_sources, from_setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from together_otel.auth.runtime import Runtime
    from together_otel.recovery.watching import WatchedFile
    from together_otel.telemetry.metrics import Metrics

_log = logging.getLogger(f"{SCOPE}.recovery")

chosen: ContextVar[object] = ContextVar("together_otel-recovery")
"""What `use` asks for; not set outside of it."""

searching: ContextVar[bool] = ContextVar("together_otel-searching", default=False)
"""Whether a source is at work: calls of its own are not to wait for what it finds."""


class Recovery:
    """A chain of sources that is in use.

    Args:
        sources: the chain.

    Attributes:
        watched: the files in it.
    """

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self.sources = sources
        self.watched: tuple[WatchedFile, ...] = tuple(
            one.watched for one in sources if one.watched is not None
        )
        for one in self.watched:
            one.look()


def recovery_of(
    given: object, setting: tuple[tuple[str, str], ...], metrics: Metrics
) -> Recovery | None:
    """Return what is asked for by ``instrument()``, or else by the setting; ``None`` is off."""
    try:
        sources = from_setting(setting) if given is None else as_sources(given)
    except TypeError as exc:
        _log.warning("Recovery is off: %s.", exc)
        return None
    if not sources:
        return None
    for outcome in RECOVERY_OUTCOMES:
        metrics.recovered(outcome, 0)
    return Recovery(sources)


@contextmanager
def use(*sources: Source | Callable[[], Any]) -> Iterator[None]:
    """Recover from these sources in a block of code, whatever holds elsewhere; without any, not.

    Holds in this thread or task and in the tasks that it starts, as long as the instrumentation
    is on.

    Args:
        *sources: a chain: each is asked when those before it had no new key.

    Raises:
        TypeError: when one of them is no source.
    """
    token = chosen.set(Recovery(as_sources(sources)) if sources else None)
    try:
        yield
    finally:
        chosen.reset(token)


def in_use(runtime: Runtime) -> Recovery | None:
    """Return the recovery that holds here; none while a source is at work."""
    recovery = chosen.get(runtime.recovery)
    return recovery if isinstance(recovery, Recovery) and not searching.get() else None
