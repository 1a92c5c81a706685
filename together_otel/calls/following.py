"""Ends a call when its function returns, or when the returned stream, body or session ends."""

from __future__ import annotations

import weakref
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from functools import partial, wraps
from inspect import isasyncgen, iscoroutine, isgenerator
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import current_context, enter, leave
from together_otel.calls.arguments import Arguments
from together_otel.calls.bodies import Body
from together_otel.calls.generators import report_generator
from together_otel.calls.idle import IdleCall
from together_otel.calls.iterators import watch
from together_otel.calls.open_calls import opened
from together_otel.calls.sessions import Session
from together_otel.calls.streams import Stream
from together_otel.calls.unread import watch_document, watch_unread

if TYPE_CHECKING:
    from together_otel.calls.call import Call


def follow(call: Call | IdleCall, held: Arguments) -> Any:
    """End a call with the value that its function returned, or let that value end it later.

    Return what the caller gets. ``held`` has the returned value, and the client, which may hold the
    connection that was opened.
    """
    adapter = call.adapter
    try:
        # A plain function may return the coroutine of an async one, as other libraries' patches do.
        is_coroutine = type(held.value) is CoroutineType
        if call.ended or (not is_coroutine and adapter.is_whole(held.value)):
            call.succeed(held)
            return held.value
        if isinstance(call, IdleCall):
            call = call.begun()
        if (is_coroutine or adapter.delegates) and (going_on := _going_on(call, held)) is not None:
            return going_on
        if (stream := adapter.stream_of(held.value)) is not None:
            watcher = Stream(call)
            watch_document(call, getattr(held.value, "response", None))
            return adapter.with_stream(held.value, watch(stream, watcher), watcher.abandoned)
        if (body := adapter.open_body(held.value)) is not None:
            if body.library is None:
                Body(call, held.value, body.response)
            else:
                watch_unread(call, body)
            return held.value
        (client,) = held.client or (None,)
        if (session := adapter.session_of(client, held.value)) is not None:
            Session(call, session)
            return held.value
    except Exception:  # noqa: BLE001 - must not reach the application
        call.runtime.guard("finish").swallow()
    call.succeed(held)
    return held.value


def _going_on(call: Call, held: Arguments) -> Any:
    """Return what ends the call: a future, or what stands for a generator or coroutine."""
    value = held.value
    if isgenerator(value) or isasyncgen(value):
        made = report_generator(call.runtime, value, lambda: call, at_once=True)
    elif iscoroutine(value):
        finalizers: list[Any] = []
        awaited = _awaited(call, Arguments(value=value, client=held.client), finalizers)
        made = stand_in(awaited, value)
        finalizers.append(opened(made, Stream(call)))
    elif hasattr(value, "add_done_callback") and hasattr(value, "_exception"):
        # A task, or a future of asyncio or concurrent.futures.
        opened(value, Stream(call))
        value.add_done_callback(partial(_done, call))
        made = value
    elif not _goes_on_later(call, made := value):
        return None
    call.log_held()  # recovery does not wait for its end
    return made


def _done(call: Call, future: Any) -> None:
    try:
        if future.cancelled():
            call.leave("cancelled")
        # Its method would keep asyncio from logging an exception that nobody retrieves.
        elif future._exception is not None:  # noqa: SLF001
            call.fail(future._exception)  # noqa: SLF001
        else:
            call.succeed(Arguments(value=future.result()))
    except Exception:  # noqa: BLE001 - must not reach the application
        call.runtime.guard("finish").swallow()


def _goes_on_later(call: Call, value: Any) -> bool:
    """Let a call end when an object is awaited or entered; return whether this can be observed.

    This is for awaitables and for what `contextlib.contextmanager` makes: any other object that can
    be entered may be a complete answer. So is a response of an HTTP library, and what another
    client's call returned.
    """
    kind: Any = type(value)
    is_later = hasattr(kind, "__await__") or isinstance(value, _MANAGERS)
    is_done = call.is_delegated() or hasattr(kind, _IS_LATER) or hasattr(value, "headers")
    if not is_later or is_done:
        return False
    found = [name for name in _LATER if hasattr(kind, name)]
    ours = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    finalizers: list[Any] = []
    for name in found:
        ours[name] = _LATER[name](call, getattr(kind, name), finalizers)
    try:
        weakref.ref(value)
        value.__class__ = type(kind.__name__, (kind,), {**ours, _IS_LATER: True})
    except TypeError:  # a class with another layout, or without weak references
        return False
    finalizers.append(opened(value, Stream(call)))
    return True


def _entered(call: Call, original: Any, finalizers: list[Any]) -> Any:
    @wraps(original)
    def enters(self: Any) -> Any:
        held = Arguments(args=(self,))
        del self
        if finalizers[0].detach() is None:  # entered before
            return original(*held.args)
        before, ours = current_context(), call.context
        try:
            try:
                enter(call.runtime, before, ours)
                held.value = original(*held.args)
                return follow(call, held)
            except BaseException:
                call.fail()
                raise
            finally:
                leave(call.runtime, before, ours)
        finally:
            # In case an interrupt prevented the first `leave`.
            leave(call.runtime, before, ours)

    return enters


def _entered_async(call: Call, original: Any, finalizers: list[Any]) -> Any:
    @wraps(original)
    def enters(self: Any) -> Any:
        if not finalizers[0].alive:
            return original(self)
        return _awaited(call, Arguments(value=original(self)), finalizers)

    return enters


def _awaited_later(call: Call, original: Any, finalizers: list[Any]) -> Any:
    class Original:
        def __init__(self, of: Any) -> None:
            self._of = of

        def __await__(self) -> Any:
            return original(self._of)

    @wraps(original)
    def awaits(self: Any) -> Any:
        if not finalizers[0].alive:
            return original(self)
        return _awaited(call, Arguments(value=Original(self)), finalizers).__await__()

    return awaits


_LATER = {"__enter__": _entered, "__aenter__": _entered_async, "__await__": _awaited_later}
"""Methods that may do the work of a call, and what replaces them."""

_IS_LATER = "_together_otel_later"
_MANAGERS = _GeneratorContextManager, _AsyncGeneratorContextManager


def stand_in(coroutine: Any, other: Any) -> Any:
    """Return a coroutine with the names of the one that it awaits, which is closed with it."""
    coroutine.__name__, coroutine.__qualname__ = other.__name__, other.__qualname__
    # Otherwise Python warns of both coroutines if the first is never awaited.
    weakref.finalize(coroutine, other.close).atexit = False
    return coroutine


async def _awaited(call: Call, held: Arguments, finalizers: list[Any]) -> Any:
    before, ours = current_context(), call.context
    try:
        try:
            enter(call.runtime, before, ours)
            held.value = await held.value
            finalizers[0].detach()  # what it returned may end the call later
            return follow(call, held)
        except BaseException:
            call.fail()
            raise
        finally:
            leave(call.runtime, before, ours)
    finally:
        # In case an interrupt prevented the first `leave`.
        leave(call.runtime, before, ours)
