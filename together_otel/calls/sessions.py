"""What the patched methods of realtime connections and sessions do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel.calls.lifecycle import Call, call_of_session, current_call
from together_otel.calls.wrappers import async_calling, calling
from together_otel.clients.realtime import Transcriptions, was_closed, was_closed_regularly
from together_otel.recovery.retry import retry_of_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.calls.patching import Patches
    from together_otel.calls.wrappers import Wrapper
    from together_otel.clients.realtime import Connections


def connecting(patches: Patches, adapter: Connections) -> Wrapper:
    """Open a connection for the caller."""
    own = calling(patches, adapter)

    def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        def opened(*args: Any, **kwargs: Any) -> Any:
            _note_handshake(patches, adapter, manager)
            connection = wrapped(*args, **kwargs)
            _note_handshake(patches, adapter, manager, connection)
            return connection

        return own(opened, manager, args, kwargs)

    return wrapper


def async_connecting(patches: Patches, adapter: Connections) -> Wrapper:
    """Open a connection: for the caller, or as an attempt of a session that is a call itself."""
    own = async_calling(patches, adapter)

    async def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        async def opened(*args: Any, **kwargs: Any) -> Any:
            _note_handshake(patches, adapter, manager)
            connection = await wrapped(*args, **kwargs)
            _note_handshake(patches, adapter, manager, connection)
            return connection

        session = current_call()
        if session is None or not isinstance(session.adapter, Transcriptions):
            return await own(opened, manager, args, kwargs)
        runtime = patches.listening()
        retry = None if runtime is None else retry_of_call(runtime, adapter, manager, args, kwargs)
        if retry is None:
            with session.attempt(manager):
                return await opened(*args, **kwargs)
        while True:
            try:
                with session.attempt(manager, last=False):
                    retry.begun(trace.get_current_span())
                    connection = await opened(*args, **kwargs)
            except BaseException:
                if not await retry.again_async(session.refusal) and retry.first is None:
                    raise
            else:
                retry.succeeded()
                return connection
            retry.raise_first()

    return wrapper


def _note_handshake(
    patches: Patches, adapter: Connections, manager: Any, connection: Any = None
) -> None:
    """Note what is asked with before the answer: the exception of a refusal does not tell."""
    if (runtime := patches.runtime) is not None and (call := current_call()) is not None:
        with runtime.guard("begin"):
            call.answered(adapter.handshake(manager, connection))


def async_starting(patches: Patches, adapter: Transcriptions) -> Wrapper:
    """Start a session; one that is open stays as it is, and is no new call."""
    own = async_calling(patches, adapter)

    async def wrapper(wrapped: Any, session: Any, args: Any, kwargs: Any) -> Any:
        if adapter.is_open(session):
            return await wrapped(*args, **kwargs)
        return await own(wrapped, session, args, kwargs)

    return wrapper


def closing(_patches: Patches, _adapter: Connections) -> Wrapper:
    """End a session's call when its holder closes it; sync or async alike, as it ends before."""

    def wrapper(wrapped: Any, owner: Any, args: Any, kwargs: Any) -> Any:
        if (call := call_of_session(owner)) is not None:
            call.closed()
        return wrapped(*args, **kwargs)

    return wrapper


def failing(_patches: Patches, _adapter: Connections) -> Wrapper:
    """End a session's call with the error that the session fails with."""

    def wrapper(wrapped: Any, session: Any, args: Any, kwargs: Any) -> Any:
        error = args[0] if args else kwargs.get("error")
        if isinstance(error, BaseException) and (call := call_of_session(session)) is not None:
            call.failed(error)
        return wrapped(*args, **kwargs)

    return wrapper


def receiving(_patches: Patches, _adapter: Connections) -> Wrapper:
    """Note the events of a session, and its end when the other side closes it."""

    def wrapper(wrapped: Any, connection: Any, args: Any, kwargs: Any) -> Any:
        if (call := call_of_session(connection)) is None:
            return wrapped(*args, **kwargs)
        with _until_closed(call):
            event = wrapped(*args, **kwargs)
        call.event(event)
        return event

    return wrapper


def async_receiving(_patches: Patches, _adapter: Connections) -> Wrapper:
    """Do the same with an async one."""

    async def wrapper(wrapped: Any, connection: Any, args: Any, kwargs: Any) -> Any:
        if (call := call_of_session(connection)) is None:
            return await wrapped(*args, **kwargs)
        with _until_closed(call):
            event = await wrapped(*args, **kwargs)
        call.event(event)
        return event

    return wrapper


@contextmanager
def _until_closed(call: Call) -> Iterator[None]:
    """End a session's call if its connection is closed; others than that may go on."""
    try:
        yield
    except Exception as exc:
        if was_closed_regularly(exc):
            call.closed()
        elif was_closed(exc):
            call.failed(exc)
        raise
