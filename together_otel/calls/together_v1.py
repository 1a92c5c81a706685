"""Wrappers of methods that only `together` 1.x has."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from together_otel.calls.arguments import Arguments
from together_otel.calls.call import Call, current_call
from together_otel.calls.wrappers import calling
from together_otel.recovery.retry import retry_of_call

if TYPE_CHECKING:
    from together_otel.calls.active import Active
    from together_otel.calls.around import Wrapper
    from together_otel.clients.base import Adapter
    from together_otel.clients.together_v1 import TogetherV1


def owning(active: Active, adapter: TogetherV1, _function: Any) -> Wrapper:
    """Wrap a requestor's constructor: record its client, whose key 1.x copies into it."""

    def wrapper(wrapped: Any, requestor: Any, args: Any, kwargs: Any) -> Any:
        held = Arguments(args=args, kwargs=kwargs)
        del args, kwargs
        wrapped(
            *held.args,
            **held.kwargs,
        )
        if active.runtime is not None:
            with active.runtime.guard("client_init"):
                made_for = held.kwargs.get("client", held.args[0] if held.args else None)
                adapter.made_for(requestor, made_for)

    return wrapper


def transferring(active: Active, adapter: Adapter, function: Any) -> Wrapper:
    """Wrap the sending of a request: an attempt of the current call, or else a call of its own."""
    own = calling(active, adapter, function, _note_attempt).of(function, 0)
    is_async = iscoroutinefunction(function)

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        call, held = current_call(), Arguments(args=args, kwargs=kwargs)
        del args, kwargs
        if active.runtime is None or call is None or call.adapter is not adapter:
            owner = () if client is None else (client,)
            return own(
                *owner,
                *held.args,
                **held.kwargs,
            )
        if is_async:
            return _attempt(call, wrapped, held)
        call.attempted()
        response = wrapped(
            *held.args,
            **held.kwargs,
        )
        call.answered(response)
        return response

    return wrapper


async def _attempt(call: Call, wrapped: Any, held: Arguments) -> Any:
    call.attempted()
    response = await wrapped(
        *held.args,
        **held.kwargs,
    )
    call.answered(response)
    return response


def _note_attempt(call: Call, _client: Any, response: Any) -> None:
    if response is None:
        call.attempted()
    else:
        call.answered(response)


def beginning(active: Active, adapter: TogetherV1, _function: Any) -> Wrapper:
    """Wrap the first request of an upload, which gets the URL to upload to: retry it.

    The request is a call of its own. 1.x returns its refusal as data there, and raises it here.
    """

    def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        upload, runtime, retry = current_call(), active.listening(), None
        if runtime is not None and upload is not None and upload.adapter.composed:
            retry = retry_of_call(runtime, adapter, manager._client, (), {})  # noqa: SLF001 - where managers keep their client
        if retry is None or upload is None:
            return wrapped(*args, **kwargs)
        arguments = Arguments(args=args, kwargs=kwargs)
        del args, kwargs
        while True:
            upload.begins_anew()
            retry.begun(upload.span)
            try:
                value = wrapped(
                    *arguments.args,
                    **arguments.kwargs,
                )
            except BaseException:
                if not retry.again(upload.refusal) and retry.first is None:
                    raise
            else:
                retry.succeeded()
                return value
            retry.raise_first()

    return wrapper
