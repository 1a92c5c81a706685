"""Calls whose responses come in chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.calls.state import Timing
from together_otel.plain import clocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.call import Call
    from together_otel.calls.iterators import Reading


def _recording(call: Call) -> Callable[[float], None] | None:
    """Return a function that records the seconds between two chunks, or ``None``."""
    runtime = call.runtime
    with runtime.guard("stream"):
        recorder = call.recorder_of(call.answer())
        observe = recorder.chunk_times(call.result.model, call.span_context, call.secrets)
        if observe is None:
            return None

        def record(seconds: float) -> None:
            try:
                observe(seconds)
            except Exception:  # noqa: BLE001 - must not reach the application
                runtime.guard("stream").swallow()

        return record
    return None


class Stream:
    """A call whose response comes in chunks. It ends when the chunks end."""

    __slots__ = ("__weakref__", "_call", "_record", "_timing")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._timing = call.timing = Timing()
        call.answer()  # the response may be collected before the call ends
        self._record: Callable[[float], None] | None = None

    def got(self, chunk: Any) -> Reading | None:
        """Record a chunk; return how to read similar ones if nothing more is needed of them."""
        call, timing = self._call, self._timing
        before, is_first = timing.last, not timing.chunks
        timing.tick()
        if self._record is not None:
            self._record(timing.last - before)
        captures = call.result.messages is not None
        if is_first or captures or call.adapter.has_news(chunk):
            call.chunk(chunk)
        if not is_first:
            return None
        if call.runtime.settings.chunk_times:
            self._record = _recording(call)
        return None if captures or self._record is not None else self._reading(chunk)

    def _reading(self, chunk: Any) -> Reading | None:
        call = self._call
        try:
            has_reason = call.adapter.has_reason(chunk)
        except Exception:  # noqa: BLE001 - must not reach the application
            call.runtime.guard("stream").swallow()
            return None
        if has_reason is None:
            return None
        return self._timing, has_reason, call.chunk, clocks.perf_counter

    def exhausted(self) -> None:
        """End the call."""
        self._call.succeed()

    def failed(self) -> None:
        """End the call with the exception being handled."""
        self._call.fail()

    def release(self) -> None:
        """Release the client and its response, which are collected with the stream."""
        self._call.release()

    def abandoned(self, at: float | None = None) -> None:
        """End the call of a stream that the caller left early."""
        self._call.leave("abandoned", at)
