"""Wrappers of the methods of realtime connections and transcription sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel.calls.arguments import Arguments
from together_otel.calls.around import observing
from together_otel.calls.call import Call, current_call
from together_otel.calls.sessions import SESSIONS
from together_otel.calls.wrappers import calling
from together_otel.clients.realtime import Connections, Transcriptions
from together_otel.recovery.retry import retry_of_call

if TYPE_CHECKING:
    from together_otel.calls.active import Active
    from together_otel.calls.around import Wrapper
    from together_otel.calls.wrappers import Note


def connecting(active: Active, adapter: Connections, function: Any) -> Wrapper:
    """Wrap the opening of a connection: a call, or an attempt of the current session's call."""

    def note(call: Call, manager: Any, connection: Any) -> None:
        """Record the request before the response, because a refusal's exception lacks it."""
        with call.runtime.guard("begin"):
            call.answered(adapter.handshake(manager, connection))

    own = calling(active, adapter, function, note).of(function, 0)

    def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        arguments, session = Arguments(args=args, kwargs=kwargs), current_call()
        del args, kwargs
        if active.listening() is None or not (
            session is not None and isinstance(session.adapter, Transcriptions)
        ):
            client = () if manager is None else (manager,)
            return own(
                *client,
                *arguments.args,
                **arguments.kwargs,
            )
        # Sessions of this kind are always async.
        return _attempt(adapter, note, wrapped, session, manager, arguments)

    return wrapper


async def _attempt(
    adapter: Connections,
    note: Note,
    wrapped: Any,
    session: Call,
    manager: Any,
    arguments: Arguments,
) -> Any:
    """Open a connection for a session; retry with another key if the first is refused."""
    retry = retry_of_call(session.runtime, adapter, manager, arguments.args, arguments.kwargs)
    while True:
        session.attempted()
        session.uses_key_of(manager)
        if retry is not None:
            retry.begun(session.span)
            session.held_log = session.held_log or []
        try:
            note(session, manager, None)
            connection = await wrapped(
                *arguments.args,
                **arguments.kwargs,
            )
            note(session, manager, connection)
        except BaseException:
            if retry is None:
                raise
            # The call may continue with another key.
            session.refused_attempt()
            again = await retry.again_async(session.refusal)
            if not again:
                session.log_held()
                if retry.first is None:
                    raise
        else:
            session.accepted_attempt()
            if retry is not None:
                retry.succeeded()
                session.log_held(recovered="recovered")
            return connection
        if retry is not None:
            retry.raise_first()


def starting(active: Active, adapter: Transcriptions, function: Any) -> Wrapper:
    """Wrap the start of a session as a call; an open session is not started again."""
    own = calling(active, adapter, function).of(function, 0)

    def wrapper(wrapped: Any, session: Any, args: Any, kwargs: Any) -> Any:
        if session is None or adapter.is_open(session):
            return wrapped(*args, **kwargs)
        return own(session, *args, **kwargs)

    return wrapper


def closing(_active: Active, _adapter: Connections, _function: Any) -> Wrapper:
    """Wrap ``close``, sync or async: end the session's call before the session is closed."""

    def wrapper(wrapped: Any, owner: Any, args: Any, kwargs: Any) -> Any:
        if (session := SESSIONS.get(owner)) is not None:
            session.closed()
        return wrapped(*args, **kwargs)

    return wrapper


def failing(_active: Active, _adapter: Connections, _function: Any) -> Wrapper:
    """Wrap the method that fails a session: end its call with the same error."""

    def wrapper(wrapped: Any, owner: Any, args: Any, kwargs: Any) -> Any:
        error = args[0] if args else kwargs.get("error")
        if isinstance(error, BaseException) and (session := SESSIONS.get(owner)) is not None:
            session.broke(error)
        del error
        return wrapped(*args, **kwargs)

    return wrapper


def receiving(_active: Active, _adapter: Connections, function: Any) -> Wrapper:
    """Wrap the receiving of events: record them, and the end when the other side closes."""
    return observing(function, lambda connection, *_: SESSIONS.get(connection))
