"""Calls that are generators: begun when they are first asked, and current while they work."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import current_context, enter, leave
from together_otel.calls.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry import context

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.call import Call


class GeneratorCall:
    """A generator, and the call that it is; `streams.watch` steps it and reports to it.

    Args:
        runtime: whose telemetry it is.
        iterator: what the generator function returned.
        begin: begins the call.
    """

    def __init__(self, runtime: Runtime, iterator: Any, begin: Callable[[], Call]) -> None:
        self._runtime = runtime
        self._iterator = iterator
        self._begin = begin
        self._stream: Stream | None = None
        self._ours: context.Context | None = None
        is_async = hasattr(iterator, "__anext__")
        step = self._step_async if is_async else self._step
        # Attributes and not methods: in a traceback each would be one more frame of ours.
        for name in ("__anext__", "asend", "athrow") if is_async else ("__next__", "send", "throw"):
            setattr(self, name, partial(step, name))
        self.__name__, self.__qualname__ = iterator.__name__, iterator.__qualname__
        close = "aclose" if is_async else "close"
        setattr(self, close, getattr(iterator, close))

    def _enter(self) -> tuple[context.Context, context.Context]:
        if self._stream is None:
            call = self._begin()
            self._stream, self._ours = Stream(call), call.context
        before = current_context()
        enter(self._runtime, self._ours or before)
        return before, self._ours or before

    def _step(self, name: str, *args: Any) -> Any:
        entered = self._enter()
        try:
            return getattr(self._iterator, name)(*args)
        finally:
            leave(self._runtime, *entered)

    async def _step_async(self, name: str, *args: Any) -> Any:
        entered = self._enter()
        try:
            return await getattr(self._iterator, name)(*args)
        finally:
            leave(self._runtime, *entered)

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
