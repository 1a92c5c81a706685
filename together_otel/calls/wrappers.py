"""Wrappers of patched methods: they report each call, and retry it if another key may help.

The wrapper depends on the kind of function. While the SDK runs or something is logged, no frame
here holds an argument, or an exception in a variable, because either may contain a key. Longer than
300 lines, so that sync and async can be compared.
"""

from __future__ import annotations

from inspect import (
    isasyncgen,
    isasyncgenfunction,
    isawaitable,
    iscoroutine,
    iscoroutinefunction,
    isgenerator,
    isgeneratorfunction,
)
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import Active, current_context, enter, leave
from together_otel.calls.arguments import Arguments, Work
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
    """Wrap a constructor: report its key, and retry it with another one."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments = Arguments(args=args, kwargs=kwargs, client=(client,), function=wrapped)
        work = Work(wrapped, *args, **kwargs)
        del wrapped, client, args, kwargs
        try:
            if (runtime := active.listening()) is None:
                return work()
            retry = retry_of_constructor(
                runtime, adapter, arguments.client[0], arguments.args, arguments.kwargs
            )
            return construct(runtime, adapter, arguments, retry)
        except BaseException:
            step_out()
            raise

    return wrapper


def calling(active: Active, adapter: Adapter, function: Any, note: Note | None = None) -> Direct:
    """Wrap a method: report it as a call, and retry it with another key.

    Args:
        active: state of the instrumentation.
        adapter: adapter of the client.
        function: the function to patch; the patch is async if it is.
        note: called with the call, the client and ``None`` before the function runs, and with
            the returned value in place of ``None`` after.
    """
    make = _calling_async if iscoroutinefunction(function) else _calling
    return Direct(lambda function, bound: make(active, adapter, note, function, bound))


def calling_any(active: Active, adapter: Adapter, function: Any) -> Wrapper | Direct:
    """Wrap a callable of any kind as `calling` does; the wrapper returns an object of that kind.

    A coroutine or a generator is one call from its first step to its last.
    """
    kinds = isgeneratorfunction, isasyncgenfunction, iscoroutinefunction
    if any(is_one(one) for one in (function, type(function).__call__) for is_one in kinds):
        return _beginning(active, adapter)
    return Direct(lambda function, bound: _calling(active, adapter, None, function, bound))


def _calling(  # noqa: C901 - one loop and its error handling
    active: Active, adapter: Adapter, note: Note | None, function: Any, bound: int
) -> Any:
    def patched(*args: Any, **kwargs: Any) -> Any:  # noqa: C901, PLR0912 - as above
        arguments, first = Arguments(args=args[1:], kwargs=kwargs, client=args[:1]), None
        call: Any = None
        del args, kwargs
        before, runtime = active.here(), active.runtime
        if before is None or runtime is None or not arguments.client:
            return function(
                *arguments.client[bound:],
                *arguments.args,
                **arguments.kwargs,
            )
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
                            *arguments.client[bound:],
                            *arguments.args,
                            **arguments.kwargs,
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
                        with runtime.guard("recovery"):
                            adapter.discard(arguments.value)
                    finally:
                        leave(runtime, before, ours)
                        is_inside = False
                finally:
                    # In case an interrupt prevented the first `leave`.
                    if is_inside:
                        leave(runtime, before, ours)
                retry.raise_first()
                first = call
        except BaseException as exc:
            if call is not None:
                call.close()
            cut(exc)
            raise

    return patched


def _calling_async(  # noqa: C901 - as in `_calling`
    active: Active, adapter: Adapter, note: Note | None, function: Any, bound: int
) -> Any:
    async def patched(*args: Any, **kwargs: Any) -> Any:  # noqa: C901, PLR0912 - as above
        arguments, first = Arguments(args=args[1:], kwargs=kwargs, client=args[:1]), None
        call: Any = None
        del args, kwargs
        before, runtime = active.here(), active.runtime
        if before is None or runtime is None or not arguments.client:
            return await function(
                *arguments.client[bound:],
                *arguments.args,
                **arguments.kwargs,
            )
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
                            *arguments.client[bound:],
                            *arguments.args,
                            **arguments.kwargs,
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
                        with runtime.guard("recovery"):
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
            if call is not None:
                call.close()
            cut(exc)
            raise

    return patched


class _Begun:
    """A function that was already called; its first call here returns what it returned."""

    def __init__(self, function: Any, made: Any) -> None:
        self._function, self._made = function, [made]

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._made.pop() if self._made else self._function(*args, **kwargs)


def _beginning(active: Active, adapter: Adapter) -> Wrapper:
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        arguments = Arguments(args=args, kwargs=kwargs, client=(client,), function=wrapped)
        work = Work(wrapped, *args, **kwargs)
        del wrapped, client, args, kwargs
        # Immediately, because invalid arguments raise at the call.
        made = work()
        is_coroutine = isawaitable(made) and (iscoroutine(made) or isgenerator(made))
        if not is_coroutine and (isgenerator(made) or isasyncgen(made)):
            if (runtime := active.listening()) is None:
                return made
            return report_generator(
                runtime,
                made,
                lambda: _begin(active, runtime, adapter, arguments, current_context()),
            )
        # Another library's decorator may return anything in place of the coroutine or generator.
        begun = _Begun(arguments.function, made)
        patched = (_calling_async if is_coroutine else _calling)(active, adapter, None, begun, 1)
        given = patched(*arguments.client, *arguments.args, **arguments.kwargs)
        return stand_in(given, made) if is_coroutine else given

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
    """Begin an attempt; with a retry, the first one is logged when the recovery is decided."""
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
    """Return whether an attempt was the last one and its own exception must be raised."""
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
        # A cancelled search is a decision, too: there is no other attempt.
        _log_unless(again, first, call)
    return not again and retry.first is None


def _log_unless(again: bool, first: Call | None, call: Call) -> None:  # noqa: FBT001 - the result of `again`
    if not again:
        call.log_held()
        if first is not None:
            first.log_held()


def _succeed(retry: Retry, first: Call | None, call: Call) -> bool:
    """Record a successful attempt; return ``False`` if its response is a refusal."""
    if call.adapter.returns_refusals and call.refusal:
        return False
    retry.succeeded()
    call.log_held()  # from now on, a call that continues as a stream logs immediately
    if first is not None:
        first.log_held(recovered="recovered")
    return True


def accepting(_active: Active, adapter: Adapter, _function: Any) -> Direct:
    """Wrap a method by which generated clients parse a response: record that response."""

    def make(function: Any, bound: int) -> Any:
        def patched(*args: Any, **kwargs: Any) -> Any:
            held = Arguments(args=args[bound:], kwargs=kwargs)
            del args, kwargs
            try:
                # An unreported call inside another adapter's must not set that one's response.
                if (call := current_call()) is not None and call.adapter is adapter:
                    call.answered(held.kwargs.get("response"))
                return function(
                    *held.args,
                    **held.kwargs,
                )
            except BaseException:
                step_out()
                raise

        async def patched_async(*args: Any, **kwargs: Any) -> Any:
            held = Arguments(args=args[bound:], kwargs=kwargs)
            del args, kwargs
            try:
                if (call := current_call()) is not None and call.adapter is adapter:
                    call.answered(held.kwargs.get("response"))
                return await function(
                    *held.args,
                    **held.kwargs,
                )
            except BaseException:
                step_out()
                raise

        return patched_async if iscoroutinefunction(function) else patched

    return Direct(make)
