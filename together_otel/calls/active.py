"""Whether the instrumentation is on, for patched methods; and the context that a call runs in."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

from together_otel.calls.conflicts import Conflicts
from together_otel.telemetry.metrics import NoMetrics
from together_otel.telemetry.redacting_processor import add_redacting_processor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from together_otel.auth.runtime import Runtime

_SUPPRESSED = "suppress_instrumentation"
"""The older key of a context in which nothing is to be instrumented; the newer one has no name."""

_UNKNOWN = object()


def _current_variable() -> ContextVar[context.Context] | None:
    """Return where OpenTelemetry keeps the current context; ``None`` where that is another kind."""
    kept = getattr(context, "_RUNTIME_CONTEXT", None)
    if type(kept) is not ContextVarsRuntimeContext:
        return None
    return getattr(kept, "_current_context", None)


_CURRENT = _current_variable()
"""Asked itself, as OpenTelemetry's functions round it cost more than all else that is asked first."""
_at_work: ContextVar[context.Context] = _CURRENT or ContextVar(
    "together_otel-at-work",
    default=context.Context(),  # noqa: B039 - it cannot be changed
)
"""The context of the call that the SDK is working on here: an application's own kind of context may
take none."""
_get_current: Callable[[], context.Context] = (
    context.get_current if _CURRENT is None else _CURRENT.get
)


class Active:
    """What is on in this process.

    Attributes:
        runtime: ``None`` while the instrumentation is off: a patch that someone kept, as a bound
            method or under another library's patch, then passes through.
        is_quiet: whether nobody is told of calls that succeed but by a tracer provider set later.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self._conflicts = Conflicts()
        self._provider: object = None
        self._has_begun = False
        self.is_quiet: bool = False

    def turn_on(self, runtime: Runtime, tracer_provider: object) -> None:
        """Report calls to a runtime from now on."""
        self.runtime = runtime
        self._conflicts, self._has_begun = Conflicts(), False
        self.is_quiet = (
            tracer_provider is None
            and isinstance(runtime.metrics, NoMetrics)
            and not runtime.settings.content_in_events
        )
        with runtime.guard("patch"):
            add_redacting_processor(tracer_provider)
            self._conflicts.warn()

    def look_round(self, runtime: Runtime) -> None:
        """Look at what may have come since the last call: a tracer provider, and what else traces."""
        # OpenTelemetry's own function asks the environment each time where no provider is set.
        provider = getattr(trace, "_TRACER_PROVIDER", _UNKNOWN)
        if provider is _UNKNOWN:
            provider = trace.get_tracer_provider()
        if provider is self._provider and self._has_begun:
            return
        with runtime.guard("begin"):
            self._provider = provider
            add_redacting_processor(trace.get_tracer_provider())
        if not self._has_begun:
            self._has_begun = True
            with runtime.guard("begin"):
                self._conflicts.warn()
                runtime.at_first_call()

    def is_idle(self) -> bool:
        """Return whether nobody is told of calls that succeed, as no such provider is there."""
        return self.is_quiet and getattr(trace, "_TRACER_PROVIDER", _UNKNOWN) is None

    def here(self) -> context.Context | None:
        """Return the context that is current, if telemetry is wanted in it."""
        runtime = self.runtime
        if runtime is None:
            return None
        try:
            found = _get_current()
            if found.get(_SUPPRESS_INSTRUMENTATION_KEY) or found.get(_SUPPRESSED):
                return None
        except Exception:  # noqa: BLE001 - the border: a context of the application's own
            runtime.guard("begin").swallow()
            return context.Context()
        return found if isinstance(found, context.Context) else context.Context()

    def listening(self) -> Runtime | None:
        """Return the runtime if telemetry is wanted here and now."""
        return None if self.here() is None else self.runtime


def current_context() -> context.Context:
    """Return the context that is current; an empty one where there is none to be had."""
    try:
        found = _get_current()
    except Exception:  # noqa: BLE001 - the border: a context of the application's own
        return context.Context()
    return found if isinstance(found, context.Context) else context.Context()


@contextmanager
def within(runtime: Runtime, ours: context.Context) -> Iterator[None]:
    """Let a context be current in a block, as far as that can be had."""
    before = current_context()
    try:
        try:
            enter(runtime, before, ours)
            yield
        finally:
            leave(runtime, before, ours)
    finally:
        # For an interrupt that comes before the first.
        leave(runtime, before, ours)


def enter(runtime: Runtime, before: context.Context, ours: context.Context) -> None:
    """Make a call's context current, until `leave`, unless it is the one before."""
    if ours is before:
        return
    _at_work.set(ours)
    if _at_work is not _CURRENT:
        try:
            context.attach(ours)
        except Exception:  # noqa: BLE001 - the border
            runtime.guard("begin").swallow()


def leave(runtime: Runtime, before: context.Context, ours: context.Context) -> None:
    """Make the context before current again, where the call's still is.

    By value and not by token, so that an interrupt at any line leaves nothing behind. A coroutine
    that is collected while it waits is closed in another context, where there is nothing of ours.
    """
    if ours is before:
        return
    if _at_work.get() is ours:
        _at_work.set(before)
    if _at_work is not _CURRENT:
        try:
            if context.get_current() is ours:
                context.attach(before)
        except Exception:  # noqa: BLE001 - the border
            runtime.guard("finish").swallow()


def value_here(key: str) -> Any:
    """Return what the context of the call that the SDK is working on here, or else any, has."""
    try:
        found = _at_work.get().get(key)
        if found is None and _at_work is not _CURRENT:
            found = context.get_current().get(key)
    except Exception:  # noqa: BLE001 - the border: a context of the application's own
        return None
    return found
