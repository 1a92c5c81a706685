"""What the patched methods do: each call is reported, and made again if another key may help.

A wrapper is chosen by what the function is. No frame of it holds an argument, or an exception by
name, while the SDK works or something is logged: a key may be in both.
"""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any

from together_otel.calls.active import enter, leave
from together_otel.calls.around import observing
from together_otel.calls.call import Call, current_call
from together_otel.calls.constructors import construct
from together_otel.calls.following import follow
from together_otel.calls.generators import GeneratorCall
from together_otel.calls.open_calls import end_dropped
from together_otel.calls.state import Arguments
from together_otel.calls.streams import watch_generator
from together_otel.recovery.retry import retry_of_call, retry_of_constructor

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.active import Active
    from together_otel.calls.around import Wrapper
    from together_otel.clients.base import Adapter
    from together_otel.clients.together_v1 import TogetherV1
    from together_otel.recovery.retry import Retry

    Note = Callable[[Call, Any, Any], None]


def constructing(active: Active, adapter: Adapter, _function: Any) -> Wrapper:
    """Look at a client's key, and construct it again with another one."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := active.listening()) is None:
            return wrapped(*args, **kwargs)
        arguments = Arguments(args, kwargs)
        del args, kwargs
        retry = retry_of_constructor(runtime, adapter, client, arguments.args, arguments.kwargs)
        return construct(runtime, adapter, wrapped, client, arguments, retry)

    return wrapper


def calling(active: Active, adapter: Adapter, function: Any, note: Note | None = None) -> Wrapper:
    """Report a call, and make it again with another key.

    Args:
        active: what is on.
        adapter: of the client.
        function: what is wrapped; it decides what the wrapper is.
        note: told of the call and the client before the function works, with ``None``, and
            after, with what it returned.
    """
    if isgeneratorfunction(function) or isasyncgenfunction(function):
        return _generating(active, adapter)
    return (_calling_async if iscoroutinefunction(function) else _calling)(active, adapter, note)


def _calling(active: Active, adapter: Adapter, note: Note | None) -> Wrapper:  # noqa: C901 - one loop, and its borders
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := active.listening()) is None:
            return wrapped(*args, **kwargs)
        arguments, first = Arguments(args, kwargs), None
        del args, kwargs
        retry = _retry(runtime, adapter, client, arguments)
        while True:
            call = _begin(active, runtime, adapter, client, arguments, retry, first)
            before, ours, is_inside = call.before, call.context, True
            try:
                try:
                    enter(runtime, ours)
                    if note is not None:
                        note(call, client, None)
                    value = wrapped(*arguments.args, **arguments.kwargs)
                    if note is not None:
                        note(call, client, value)
                    value = follow(call, value, client)
                except BaseException:
                    call.fail()
                    if retry is None or _is_over(retry, retry.again(call.refusal), first, call):
                        raise
                else:
                    if retry is not None:
                        _succeed(retry, first, call)
                    return value
                finally:
                    leave(runtime, before, ours)
                    is_inside = False
            finally:
                # For an interrupt that comes before the first.
                if is_inside:
                    leave(runtime, before, ours)
            retry.raise_first()
            first = call

    return wrapper


def _calling_async(active: Active, adapter: Adapter, note: Note | None) -> Wrapper:  # noqa: C901 - the same
    async def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := active.listening()) is None:
            return await wrapped(*args, **kwargs)
        arguments, first = Arguments(args, kwargs), None
        del args, kwargs
        retry = _retry(runtime, adapter, client, arguments)
        while True:
            call = _begin(active, runtime, adapter, client, arguments, retry, first)
            before, ours, is_inside = call.before, call.context, True
            try:
                try:
                    enter(runtime, ours)
                    if note is not None:
                        note(call, client, None)
                    value = await wrapped(*arguments.args, **arguments.kwargs)
                    if note is not None:
                        note(call, client, value)
                    value = follow(call, value, client)
                except BaseException:
                    call.fail()
                    if retry is None or _is_over(
                        retry, await retry.again_async(call.refusal), first, call
                    ):
                        raise
                else:
                    if retry is not None:
                        _succeed(retry, first, call)
                    return value
                finally:
                    leave(runtime, before, ours)
                    is_inside = False
            finally:
                if is_inside:
                    leave(runtime, before, ours)
            retry.raise_first()
            first = call

    return wrapper


def _generating(active: Active, adapter: Adapter) -> Wrapper:
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        iterator = wrapped(*args, **kwargs)
        if (runtime := active.listening()) is None:
            return iterator
        arguments = Arguments(args, kwargs)
        call = GeneratorCall(
            runtime, iterator, lambda: _begin(active, runtime, adapter, client, arguments)
        )
        return watch_generator(call, call)

    return wrapper


def _retry(runtime: Runtime, adapter: Adapter, client: Any, arguments: Arguments) -> Retry | None:
    if not adapter.recovers:
        return None
    return retry_of_call(runtime, adapter, client, arguments.args, arguments.kwargs)


def _begin(
    active: Active,
    runtime: Runtime,
    adapter: Adapter,
    client: Any,
    arguments: Arguments,
    retry: Retry | None = None,
    first: Call | None = None,
) -> Call:
    """Begin an attempt; the log of a first one waits for what recovery makes of it."""
    end_dropped()
    active.look_round(runtime)
    call = Call(runtime, adapter, client, arguments)
    if retry is not None:
        if first is None:
            call.held_log = []
        retry.begun(call.span)
    return call


def _is_over(retry: Retry, again: bool, first: Call | None, call: Call) -> bool:  # noqa: FBT001 - an answer
    """Return whether an attempt was the last one and its own exception is to be raised."""
    if not again:
        call.log_held()
        if first is not None:
            first.log_held()
    return not again and retry.first is None


def _succeed(retry: Retry, first: Call | None, call: Call) -> None:
    retry.succeeded()
    call.log_held()  # and what goes on, as a stream does, logs at once from here on
    if first is not None:
        first.log_held(recovered="recovered")


def owning(active: Active, adapter: TogetherV1, _function: Any) -> Wrapper:
    """Note whose requestor it is: 1.x copies a client's key into it."""

    def wrapper(wrapped: Any, requestor: Any, args: Any, kwargs: Any) -> Any:
        wrapped(*args, **kwargs)
        if active.runtime is not None:
            with active.runtime.guard("client_init"):
                adapter.made_for(requestor, kwargs.get("client", args[0] if args else None))

    return wrapper


def accepting(active: Active, adapter: Adapter, _function: Any) -> Wrapper:
    """Note the response that the generated clients are about to parse."""

    def wrapper(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        call = None if active.runtime is None else current_call()
        # A call that is not reported, inside another adapter's, is not to answer for that.
        if call is not None and call.adapter is adapter:
            call.answered(kwargs.get("response"))
        return wrapped(*args, **kwargs)

    return wrapper


def transferring(active: Active, adapter: Adapter, function: Any) -> Wrapper:
    """Note an attempt of 1.x and its answer; outside a call, it is a call of its own."""
    inside = observing(function, lambda *_: _Attempt())
    own = calling(active, adapter, function, _note_attempt)

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        call = current_call()
        is_inside = active.runtime is not None and call is not None and call.adapter is adapter
        return (inside if is_inside else own)(wrapped, client, args, kwargs)

    return wrapper


class _Attempt:
    """Observes one attempt at the current call, and its answer."""

    def __init__(self) -> None:
        self._call = current_call()
        if self._call is not None:
            self._call.attempted()

    def returned(self, response: Any) -> Any:
        if self._call is not None:
            self._call.answered(response)
        return response

    def failed(self) -> None:
        """Leave it to the call."""


def _note_attempt(call: Call, _client: Any, response: Any) -> None:
    if response is None:
        call.attempted()
    else:
        call.answered(response)


def beginning(active: Active, adapter: TogetherV1, _function: Any) -> Wrapper:
    """Make the first request of a 1.x upload again, which asks where the file is to go.

    It has a call of its own, by which 1.x hands a refusal on as data, and raises it here.
    """

    def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        upload, runtime, retry = current_call(), active.listening(), None
        if runtime is not None and upload is not None and upload.adapter.composed:
            retry = retry_of_call(runtime, adapter, manager._client, (), {})  # noqa: SLF001 - where managers keep it
        if retry is None or upload is None:
            return wrapped(*args, **kwargs)
        arguments = Arguments(args, kwargs)
        del args, kwargs
        while True:
            upload.begins_anew()
            retry.begun(upload.span)
            try:
                value = wrapped(*arguments.args, **arguments.kwargs)
            except BaseException:
                if not retry.again(upload.refusal) and retry.first is None:
                    raise
            else:
                retry.succeeded()
                return value
            retry.raise_first()

    return wrapper
