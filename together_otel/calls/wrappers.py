"""What the patched methods do: each call is reported, and made again if another key may help.

A wrapper is chosen by what the function is. No frame of it holds an argument, or an exception by
name, while the SDK works or something is logged: a key may be in both. Past 300 lines, as sync and
async are read side by side.
"""

from __future__ import annotations

from inspect import (
    CO_ITERABLE_COROUTINE,
    isasyncgenfunction,
    iscoroutine,
    iscoroutinefunction,
    isgenerator,
    isgeneratorfunction,
)
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import Active, current_context, enter, leave
from together_otel.calls.arguments import Arguments
from together_otel.calls.call import Call, current_call
from together_otel.calls.constructors import construct
from together_otel.calls.following import follow, stand_in
from together_otel.calls.generators import report_generator
from together_otel.calls.idle import IdleCall
from together_otel.calls.interrupts import cut, step_out
from together_otel.calls.open_calls import dropped, end_dropped
from together_otel.calls.patches import Direct
from together_otel.recovery.retry import Retry, retry_of_call, retry_of_constructor
from together_otel.telemetry.redacting_processor import CALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.around import Wrapper
    from together_otel.clients.base import Adapter

    Note = Callable[[Call, Any, Any], None]


def constructing(active: Active, adapter: Adapter, _function: Any) -> Wrapper:
    """Look at a client's key, and construct it again with another one."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments = Arguments(args=args, kwargs=kwargs, client=(client,), function=wrapped)
        del wrapped, client, args, kwargs
        try:
            if (runtime := active.listening()) is None:
                return arguments.function(*arguments.args, **arguments.kwargs)
            retry = retry_of_constructor(
                runtime, adapter, arguments.client[0], arguments.args, arguments.kwargs
            )
            return construct(runtime, adapter, arguments, retry)
        except BaseException:
            step_out()
            raise

    return wrapper


def calling(active: Active, adapter: Adapter, function: Any, note: Note | None = None) -> Direct:
    """Report a call, and make it again with another key.

    Args:
        active: what is on.
        adapter: of the client.
        function: what is patched; it decides what stands for it.
        note: told of the call and the client before the function works, with ``None``, and
            after, with what it returned.
    """
    make = _calling_async if iscoroutinefunction(function) else _calling
    return Direct(lambda function, bound: make(active, adapter, note, function, bound))


def calling_any(active: Active, adapter: Adapter, function: Any) -> Wrapper | Direct:
    """Do as `calling` for a callable of any kind; what it gives is of the same kind as without us.

    A coroutine or a generator is one call from its first step to its last.
    """
    work = type(function).__call__
    # What types.coroutine makes is a generator that may be awaited.
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & CO_ITERABLE_COROUTINE:
        return _awaiting(active, adapter)
    if any(isgeneratorfunction(one) or isasyncgenfunction(one) for one in (function, work)):
        return _generating(active, adapter)
    if iscoroutinefunction(function) or iscoroutinefunction(work):
        return _awaiting(active, adapter)
    return Direct(lambda function, bound: _calling(active, adapter, None, function, bound))


def _calling(  # noqa: C901 - one loop, and its borders
    active: Active, adapter: Adapter, note: Note | None, function: Any, bound: int
) -> Any:
    def patched(*args: Any, **kwargs: Any) -> Any:  # noqa: C901 - the same
        arguments, first = Arguments(args=args[1:], kwargs=kwargs, client=args[:1]), None
        del args, kwargs
        before, runtime = active.here(), active.runtime
        if before is None or runtime is None or not arguments.client:
            return function(*arguments.client[bound:], *arguments.args, **arguments.kwargs)
        try:
            retry = retry_of_call(
                runtime, adapter, arguments.client[0], arguments.args, arguments.kwargs
            )
            while True:
                call = _begin(active, runtime, adapter, arguments, before, retry, first)
                ours, is_inside = call.context, True
                try:
                    try:
                        enter(runtime, before, ours)
                        if note is not None:
                            note(call, arguments.client[0], None)
                        arguments.value = function(
                            *arguments.client[bound:], *arguments.args, **arguments.kwargs
                        )
                        if note is not None:
                            note(call, arguments.client[0], arguments.value)
                        arguments.value = follow(call, arguments)
                    except BaseException:
                        call.fail()
                        if retry is None or _is_over(retry, first, call):
                            raise
                    else:
                        if (
                            retry is None
                            or _succeed(retry, first, call)
                            or _is_over(retry, first, call)
                        ):
                            return arguments.value
                        adapter.discard(arguments.value)
                    finally:
                        leave(runtime, before, ours)
                        is_inside = False
                finally:
                    # For an interrupt that comes before the first.
                    if is_inside:
                        leave(runtime, before, ours)
                retry.raise_first()
                first = call
        except BaseException as exc:
            cut(exc)
            raise

    return patched


def _calling_async(  # noqa: C901 - the same
    active: Active, adapter: Adapter, note: Note | None, function: Any, bound: int
) -> Any:
    async def patched(*args: Any, **kwargs: Any) -> Any:  # noqa: C901 - the same
        arguments, first = Arguments(args=args[1:], kwargs=kwargs, client=args[:1]), None
        del args, kwargs
        before, runtime = active.here(), active.runtime
        if before is None or runtime is None or not arguments.client:
            return await function(*arguments.client[bound:], *arguments.args, **arguments.kwargs)
        try:
            retry = retry_of_call(
                runtime, adapter, arguments.client[0], arguments.args, arguments.kwargs
            )
            while True:
                call = _begin(active, runtime, adapter, arguments, before, retry, first)
                ours, is_inside = call.context, True
                try:
                    try:
                        enter(runtime, before, ours)
                        if note is not None:
                            note(call, arguments.client[0], None)
                        arguments.value = await function(
                            *arguments.client[bound:], *arguments.args, **arguments.kwargs
                        )
                        if note is not None:
                            note(call, arguments.client[0], arguments.value)
                        arguments.value = follow(call, arguments)
                    except BaseException:
                        call.fail()
                        if retry is None or await _is_over_async(retry, first, call):
                            raise
                    else:
                        if (
                            retry is None
                            or _succeed(retry, first, call)
                            or await _is_over_async(retry, first, call)
                        ):
                            return arguments.value
                        await adapter.discard_async(arguments.value)
                    finally:
                        leave(runtime, before, ours)
                        is_inside = False
                finally:
                    if is_inside:
                        leave(runtime, before, ours)
                retry.raise_first()
                first = call
        except BaseException as exc:
            cut(exc)
            raise

    return patched


class _Begun:
    """A coroutine function that was called once before; the first call gives that coroutine."""

    def __init__(self, function: Any, coroutine: Any) -> None:
        self._function, self._coroutine = function, coroutine

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        coroutine, self._coroutine = self._coroutine, None
        return self._function(*args, **kwargs) if coroutine is None else coroutine


def _awaiting(active: Active, adapter: Adapter) -> Wrapper:
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments = Arguments(args=args, kwargs=kwargs, client=(client,), function=wrapped)
        del wrapped, client, args, kwargs
        # At once, as arguments that do not fit fail at the call.
        coroutine = arguments.function(*arguments.args, **arguments.kwargs)
        if not (iscoroutine(coroutine) or isgenerator(coroutine)):
            return coroutine
        begun = _Begun(arguments.function, coroutine)
        waiting = _calling_async(active, adapter, None, begun, 1)
        return stand_in(waiting(*arguments.client, *arguments.args, **arguments.kwargs), coroutine)

    return wrapper


def _generating(active: Active, adapter: Adapter) -> Wrapper:
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments = Arguments(args=args, kwargs=kwargs, client=(client,), function=wrapped)
        del wrapped, client, args, kwargs
        iterator = arguments.function(*arguments.args, **arguments.kwargs)
        if (runtime := active.listening()) is None:
            return iterator
        return report_generator(
            runtime,
            iterator,
            lambda: _begin(active, runtime, adapter, arguments, current_context()),
        )

    return wrapper


def _begin(
    active: Active,
    runtime: Runtime,
    adapter: Adapter,
    arguments: Arguments,
    before: Context,
    retry: Retry | None = None,
    first: Call | None = None,
) -> Any:
    """Begin an attempt; the log of a first one waits for what recovery makes of it."""
    if not dropped.empty():
        end_dropped()
    if active.is_quiet and retry is None and active.is_idle() and before.get(CALL) is None:
        idle = IdleCall(runtime, adapter, arguments, before)
        if idle.can_be():
            return idle
    active.look_round(runtime)
    call = Call(runtime, adapter, arguments, before, first)
    if retry is not None:
        if first is None:
            call.held_log = []
        retry.begun(call.span)
    return call


def _is_over(retry: Retry, first: Call | None, call: Call) -> bool:
    """Return whether an attempt was the last one and its own exception is to be raised."""
    again = False
    try:
        again = retry.again(call.refusal)
    finally:
        _log_unless(again, first, call)
    return not again and retry.first is None


async def _is_over_async(retry: Retry, first: Call | None, call: Call) -> bool:
    again = False
    try:
        again = await retry.again_async(call.refusal)
    finally:
        # A search that is cancelled has decided as well.
        _log_unless(again, first, call)
    return not again and retry.first is None


def _log_unless(again: bool, first: Call | None, call: Call) -> None:  # noqa: FBT001 - an answer
    if not again:
        call.log_held()
        if first is not None:
            first.log_held()


def _succeed(retry: Retry, first: Call | None, call: Call) -> bool:
    """Note that an attempt was answered; return whether it was: an answer may be a refusal."""
    if call.adapter.returns_refusals and call.refusal:
        return False
    retry.succeeded()
    call.log_held()  # and what goes on, as a stream does, logs at once from here on
    if first is not None:
        first.log_held(recovered="recovered")
    return True


def accepting(_active: Active, adapter: Adapter, _function: Any) -> Direct:
    """Note the response that the generated clients are about to parse."""

    def make(function: Any, bound: int) -> Any:
        def patched(*args: Any, **kwargs: Any) -> Any:
            held = Arguments(args=args[bound:], kwargs=kwargs)
            del args, kwargs
            try:
                # A call that is not reported, inside another adapter's, is not to answer for that.
                if (call := current_call()) is not None and call.adapter is adapter:
                    call.answered(held.kwargs.get("response"))
                return function(*held.args, **held.kwargs)
            except BaseException:
                step_out()
                raise

        async def patched_async(*args: Any, **kwargs: Any) -> Any:
            held = Arguments(args=args[bound:], kwargs=kwargs)
            del args, kwargs
            try:
                if (call := current_call()) is not None and call.adapter is adapter:
                    call.answered(held.kwargs.get("response"))
                return await function(*held.args, **held.kwargs)
            except BaseException:
                step_out()
                raise

        return patched_async if iscoroutinefunction(function) else patched

    return Direct(make)
