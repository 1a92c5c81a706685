"""What the patched methods do: each wrapper tells of a call, and makes it again if it may."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel.calls.constructors import construct
from together_otel.calls.lifecycle import begin, call_of_body, current_call
from together_otel.recovery.retry import retry_of_call, retry_of_constructor

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.lifecycle import Call
    from together_otel.calls.patching import Patches
    from together_otel.clients.base import Adapter
    from together_otel.clients.together_v1 import TogetherV1

    Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]


def constructing(patches: Patches, adapter: Adapter) -> Wrapper:
    """Look at a client's key, and construct it again with another one."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        retry = retry_of_constructor(runtime, adapter, client, args, kwargs)
        return construct(runtime, adapter, wrapped, client, args, kwargs, retry)

    return wrapper


def calling(patches: Patches, adapter: Adapter) -> Wrapper:
    """Tell of a call, and make it again with another key."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        retry = retry_of_call(runtime, adapter, client, args, kwargs)
        if retry is None:
            with begin(runtime, adapter, client, args, kwargs) as call:
                return call.returned(wrapped(*args, **kwargs), client)
        while True:
            call = begin(runtime, adapter, client, args, kwargs)
            try:
                with call:
                    retry.begun(trace.get_current_span())
                    returned = call.returned(wrapped(*args, **kwargs), client)
            except BaseException:
                if not retry.again(call.refusal) and retry.first is None:
                    raise
            else:
                retry.succeeded()
                return returned
            retry.raise_first()

    return wrapper


def async_calling(patches: Patches, adapter: Adapter) -> Wrapper:
    """Do the same with an async one."""

    async def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return await wrapped(*args, **kwargs)
        retry = retry_of_call(runtime, adapter, client, args, kwargs)
        if retry is None:
            with begin(runtime, adapter, client, args, kwargs) as call:
                return call.returned(await wrapped(*args, **kwargs), client)
        while True:
            call = begin(runtime, adapter, client, args, kwargs)
            try:
                with call:
                    retry.begun(trace.get_current_span())
                    returned = call.returned(await wrapped(*args, **kwargs), client)
            except BaseException:
                if not await retry.again_async(call.refusal) and retry.first is None:
                    raise
            else:
                retry.succeeded()
                return returned
            retry.raise_first()

    return wrapper


def owning(patches: Patches, adapter: TogetherV1) -> Wrapper:
    """Note whose requestor it is: 1.x copies a client's key into it."""

    def wrapper(wrapped: Any, requestor: Any, args: Any, kwargs: Any) -> Any:
        wrapped(*args, **kwargs)
        if patches.runtime is not None:
            adapter.made_for(requestor, kwargs.get("client", args[0] if args else None))

    return wrapper


def accepting(patches: Patches, adapter: Adapter) -> Wrapper:
    """Note the response that the generated clients are about to parse."""

    def wrapper(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        call = None if patches.runtime is None else current_call()
        # A call that is not told, inside another adapter's, is not to answer for that.
        if call is not None and call.adapter is adapter:
            call.answered(kwargs.get("response"))
        return wrapped(*args, **kwargs)

    return wrapper


def transferring(patches: Patches, adapter: Adapter) -> Wrapper:
    """Note an attempt of 1.x and its answer; outside a call, it is a call of its own."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        call = current_call()
        if call is not None and call.adapter is adapter:
            call.attempted()
            response = wrapped(*args, **kwargs)
            call.answered(response)
            return response
        with begin(runtime, adapter, client, args, kwargs) as own:
            own.attempted()
            response = wrapped(*args, **kwargs)
            own.answered(response)
            return own.returned(response)

    return wrapper


def async_transferring(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Note the answer of an async 1.x call, which is always inside one."""

    async def wrapper(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        response = await wrapped(*args, **kwargs)
        if patches.runtime is not None and (call := current_call()) is not None:
            call.answered(response)
        return response

    return wrapper


def beginning(patches: Patches, adapter: TogetherV1) -> Wrapper:
    """Make the first request of a 1.x upload again, which asks where the file is to go.

    It has a call of its own, by which 1.x hands a refusal on as data, and raises it here.
    """

    def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        upload, runtime, retry = current_call(), patches.listening(), None
        if runtime is not None and upload is not None and upload.adapter.composed:
            retry = retry_of_call(runtime, adapter, manager._client, (), {})  # noqa: SLF001 - where managers keep it
        if retry is None or upload is None:
            return wrapped(*args, **kwargs)
        while True:
            upload.tries_anew()
            retry.begun(trace.get_current_span())
            try:
                returned = wrapped(*args, **kwargs)
            except BaseException:
                if not retry.again(upload.refusal) and retry.first is None:
                    raise
            else:
                retry.succeeded()
                return returned
            retry.raise_first()

    return wrapper


def parsing(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Follow the stream that an open response is parsed into."""

    def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        parsed = wrapped(*args, **kwargs)
        call = _call_of_body(patches, response)
        return parsed if call is None else call.parsed(parsed)

    return wrapper


def async_parsing(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Do the same with an async one."""

    async def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        parsed = await wrapped(*args, **kwargs)
        call = _call_of_body(patches, response)
        return parsed if call is None else call.parsed(parsed)

    return wrapper


def reading(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Take what a whole body says when the SDK has read it."""

    def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        call = _call_of_body(patches, response)
        with nullcontext() if call is None else call.reading(response):
            return wrapped(*args, **kwargs)

    return wrapper


def async_reading(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Do the same with an async one."""

    async def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        call = _call_of_body(patches, response)
        with nullcontext() if call is None else call.reading(response):
            return await wrapped(*args, **kwargs)

    return wrapper


def _call_of_body(patches: Patches, response: Any) -> Call | None:
    return None if patches.runtime is None else call_of_body(response)
