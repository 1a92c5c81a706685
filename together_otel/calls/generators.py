"""Calls that are generators: they begin at the first step and are current during each step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import current_context, enter, leave
from together_otel.calls.interrupts import step_out
from together_otel.calls.iterators import watch
from together_otel.calls.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry import context

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.call import Call


def report_generator(
    runtime: Runtime, generator: Any, begin: Callable[[], Call], *, at_once: bool = False
) -> Any:
    """Return a generator that reports another one, sync or async, as a call.

    The call begins at the first step, or now with ``at_once``.
    """
    call = _GeneratorCall(runtime, begin)
    if at_once:
        call.begin()
    return watch(_Steps(generator, call), call, known=True)


class _GeneratorCall(Stream):
    """The call of a generator. Has no reference to it, so that a dropped one is closed at once."""

    def __init__(self, runtime: Runtime, begin: Callable[[], Call]) -> None:
        self._runtime, self._begin = runtime, begin
        self._ours: context.Context | None = None
        """``None`` until the call has begun."""
        self._before = current_context()
        self._left: context.Context | None = None

    def begin(self) -> None:
        """Begin the call."""
        call = self._begin()
        super().__init__(call)
        self._ours = call.context

    def enter(self) -> None:
        """Make the call current, unless the generator has left its own context current."""
        if self._ours is None:
            self.begin()
        here = current_context()
        if here is not self._left:
            self._before = here
            enter(self._runtime, here, self._ours or here)

    def leave(self) -> None:
        """Restore the previous context, unless the generator has made another one current."""
        here = current_context()
        self._left = None if here is self._ours or here is self._before else here
        leave(self._runtime, self._before, self._ours or self._before)

    def failed(self) -> None:
        if self._ours is not None:  # else interrupted before it began
            super().failed()

    def release(self) -> None:
        if self._ours is not None:
            super().release()

    def abandoned(self, at: float | None = None) -> None:
        if self._ours is not None:
            super().abandoned(at)


class _Steps:
    """A generator whose call is current during each step."""

    def __init__(self, generator: Any, call: _GeneratorCall) -> None:
        self._generator, self._call = generator, call
        is_async = hasattr(generator, "__anext__")
        step = self._step_async if is_async else self._step
        # Attributes and not methods, each of which would add a frame to tracebacks.
        for name in ("__anext__", "asend", "athrow") if is_async else ("__next__", "send", "throw"):
            setattr(self, name, partial(step, name))
        self.__name__, self.__qualname__ = generator.__name__, generator.__qualname__

    def _step(self, name: str, *args: Any) -> Any:
        try:
            try:
                self._call.enter()
                return getattr(self._generator, name)(*args)
            finally:
                self._call.leave()
        except BaseException:
            args = ()  # the exception thrown, whose traceback may refer to this frame
            # In case an interrupt prevented the first `leave`.
            self._call.leave()
            step_out()
            raise

    async def _step_async(self, name: str, *args: Any) -> Any:
        try:
            try:
                self._call.enter()
                return await getattr(self._generator, name)(*args)
            finally:
                self._call.leave()
        except BaseException:
            args = ()
            self._call.leave()
            step_out()
            raise
