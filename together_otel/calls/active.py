"""Whether the instrumentation is on, for patched methods, and the context that a call runs in."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

from together_otel.calls.conflicts import warn_of_conflicts
from together_otel.guard import pass_on_signals
from together_otel.telemetry.metrics import NoMetrics
from together_otel.telemetry.redacting_processor import CALL, add_redacting_processor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from together_otel.auth.runtime import Runtime

_SUPPRESSED = "suppress_instrumentation"
"""The older context key that suppresses instrumentation; the newer one contains a random part."""

_UNKNOWN = object()


def _current_variable() -> ContextVar[context.Context] | None:
    """Return OpenTelemetry's context variable; ``None`` if another runtime context is in use."""
    kept = getattr(context, "_RUNTIME_CONTEXT", None)
    if type(kept) is not ContextVarsRuntimeContext:
        return None
    return getattr(kept, "_current_context", None)


_CURRENT = _current_variable()
"""Read directly, because OpenTelemetry's functions cost more than all other first checks."""
_at_work: ContextVar[context.Context] = _CURRENT or ContextVar(
    "together_otel-at-work",
    default=context.Context(),  # noqa: B039 - immutable
)
"""The context of the call in progress. A separate variable if the application has a runtime context
of its own, which may not keep it."""


def _from_runtime_context() -> context.Context:
    """Read the current context, with the call in progress if the runtime context did not keep it.

    ddtrace's only keeps the current span and returns a new context each time.
    """
    found, call = context.get_current(), _at_work.get().get(CALL)
    return found if call is None or CALL in found else context.Context({**found, CALL: call})


_get_current: Callable[[], context.Context] = (
    _from_runtime_context if _CURRENT is None else _CURRENT.get
)


class Active:
    """State of the instrumentation in this process.

    ``runtime`` is ``None`` while it is off. Patches still in use, as bound methods or beneath
    another library's patch, then only call the original. ``is_quiet`` is whether successful calls
    are recorded only if a tracer provider is set later.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self._warned_of: set[str] = set()
        self._provider: object = None
        self._has_begun = False
        self.is_quiet: bool = False

    def turn_on(self, runtime: Runtime, tracer_provider: object) -> None:
        """Start to report calls to a runtime."""
        self.runtime = runtime
        self._warned_of, self._has_begun = set(), False
        self.is_quiet = (
            tracer_provider is None
            and isinstance(runtime.metrics, NoMetrics)
            and not runtime.settings.content_in_events
        )
        with runtime.guard("patch"):
            add_redacting_processor(tracer_provider)
            warn_of_conflicts(self._warned_of)

    def look_round(self, runtime: Runtime) -> None:
        """Detect a new tracer provider and, at the first call, other instrumentations."""
        # OpenTelemetry's function reads the environment each time while no provider is set.
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
                warn_of_conflicts(self._warned_of)
                runtime.at_first_call()

    def is_idle(self) -> bool:
        """Return whether successful calls are not recorded because no tracer provider is set."""
        return self.is_quiet and getattr(trace, "_TRACER_PROVIDER", _UNKNOWN) is None

    def here(self) -> context.Context | None:
        """Return the current context, or ``None`` if telemetry is off or suppressed in it."""
        runtime = self.runtime
        if runtime is None:
            return None
        try:
            found = _get_current()
            if found.get(_SUPPRESS_INSTRUMENTATION_KEY) or found.get(_SUPPRESSED):
                return None
        except Exception:  # noqa: BLE001 - must not reach the application: the context may be its own class
            runtime.guard("begin").swallow()
            return context.Context()
        return found if isinstance(found, dict) else context.Context()

    def listening(self) -> Runtime | None:
        """Return the runtime, or ``None`` if telemetry is off or suppressed in this context."""
        return None if self.here() is None else self.runtime


def current_context() -> context.Context:
    """Return the current context, or an empty one if it cannot be read."""
    try:
        found = _get_current()
    except Exception:  # noqa: BLE001 - must not reach the application: the context may be its own class
        pass_on_signals()
        return context.Context()
    return found if isinstance(found, dict) else context.Context()


@contextmanager
def within(runtime: Runtime, ours: context.Context) -> Iterator[None]:
    """Make a context current in a ``with`` block, if it can be attached."""
    before = current_context()
    try:
        try:
            enter(runtime, before, ours)
            yield
        finally:
            leave(runtime, before, ours)
    finally:
        # In case an interrupt prevented the first `leave`.
        leave(runtime, before, ours)


def enter(runtime: Runtime, before: context.Context, ours: context.Context) -> None:
    """Make a call's context current until `leave`, unless it is the previous one."""
    if ours is before:
        return
    _at_work.set(ours)
    if _at_work is not _CURRENT:
        try:
            # ddtrace's runtime context cannot go back to a context without a span.
            if _content(before)[0] or context.get_current() is before:
                context.attach(ours)
        except Exception:  # noqa: BLE001 - must not reach the application
            runtime.guard("begin").swallow()


def leave(runtime: Runtime, before: context.Context, ours: context.Context) -> None:
    """Restore the previous context if the call's is still current.

    By value and not by token, so that an interrupt at any line leaves nothing behind. A coroutine
    that is collected while it waits is closed in another context, where this does nothing.
    """
    if ours is before:
        return
    if _at_work is not _CURRENT:
        try:
            # By what is in it: a runtime context may add to the contexts that it keeps.
            if _content(_get_current()) == _content(ours):
                context.attach(before)
        except Exception:  # noqa: BLE001 - must not reach the application
            runtime.guard("finish").swallow()
    if _at_work.get() is ours:
        _at_work.set(before)


def _content(found: context.Context) -> tuple[int, object]:
    return trace.get_current_span(found).get_span_context().span_id, found.get(CALL)


def value_here(key: str) -> Any:
    """Return a value from the context of the call in progress, or else from the current context."""
    try:
        found = _at_work.get().get(key)
        if found is None and _at_work is not _CURRENT:
            found = context.get_current().get(key)
    except Exception:  # noqa: BLE001 - must not reach the application: the context may be its own class
        pass_on_signals()
        return None
    return found
