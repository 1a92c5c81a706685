"""Calls that are generators: begun when they are first asked, and current while they work."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import current_context, enter, leave
from together_otel.calls.iterators import watch_generator
from together_otel.calls.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry import context

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.call import Call


def report_generator(
    runtime: Runtime, generator: Any, begin: Callable[[], Call], *, at_once: bool = False
) -> Any:
    """Return a generator like another one, sync or async, that is a call.

    Args:
        runtime: whose telemetry it is.
        generator: the other one.
        begin: begins the call.
        at_once: whether to begin it now and not at the first step.
    """
    call = _GeneratorCall(runtime, begin)
    if at_once:
        call.begin()
    return watch_generator(_Steps(generator, call), call)


class _GeneratorCall:
    """The call that a generator is; without that one, which is closed as soon as it is dropped."""

    def __init__(self, runtime: Runtime, begin: Callable[[], Call]) -> None:
        self._runtime, self._begin = runtime, begin
        self._stream: Stream | None = None
        self._ours: context.Context | None = None

    def begin(self) -> None:
        """Begin the call."""
        call = self._begin()
        self._stream, self._ours = Stream(call), call.context

    def enter(self) -> tuple[Runtime, context.Context, context.Context]:
        """Make the call current; return what `leave` takes."""
        if self._stream is None:
            self.begin()
        before = current_context()
        enter(self._runtime, before, self._ours or before)
        return self._runtime, before, self._ours or before

    def got(self, item: Any) -> None:
        """Note one item."""
        if self._stream is not None:
            self._stream.got(item)

    def exhausted(self) -> None:
        """End the call."""
        if self._stream is not None:
            self._stream.exhausted()

    def failed(self) -> None:
        """End the call with the exception that is being handled."""
        if self._stream is not None:
            self._stream.failed()

    def abandoned(self, at: float | None = None) -> None:
        """End the call of a generator that is left early; nothing if it never began."""
        if self._stream is not None:
            self._stream.abandoned(at)


class _Steps:
    """A generator whose call is current while it works."""

    def __init__(self, generator: Any, call: _GeneratorCall) -> None:
        self._generator, self._call = generator, call
        is_async = hasattr(generator, "__anext__")
        step = self._step_async if is_async else self._step
        # Attributes and not methods: in a traceback each would be one more frame of ours.
        for name in ("__anext__", "asend", "athrow") if is_async else ("__next__", "send", "throw"):
            setattr(self, name, partial(step, name))
        self.__name__, self.__qualname__ = generator.__name__, generator.__qualname__

    def _step(self, name: str, *args: Any) -> Any:
        entered = self._call.enter()
        try:
            return getattr(self._generator, name)(*args)
        finally:
            leave(*entered)

    async def _step_async(self, name: str, *args: Any) -> Any:
        entered = self._call.enter()
        try:
            return await getattr(self._generator, name)(*args)
        finally:
            leave(*entered)
