"""Realtime sessions: calls that last as long as a connection.

A transcription session reconnects by itself; each connection is an attempt at its call.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from together_otel.calls.open_calls import opened
from together_otel.clients.realtime import was_closed, was_closed_regularly
from together_otel.plain.weak import WeakIdentityMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.call import Call
    from together_otel.clients.base import Failure
    from together_otel.clients.base import Session as Connection

SESSIONS: WeakIdentityMap[Session] = WeakIdentityMap()
"""Sessions that have a call, by the object that holds the connection."""


class Session:
    """A call that ends when its connection, not kept alive here, is closed, breaks or is collected."""

    __slots__ = ("__weakref__", "_broken", "_call", "_left")

    def __init__(self, call: Call, connection: Connection) -> None:
        self._call = call
        self._broken: Callable[[], Failure | None] = connection.failure
        call.forget_client()
        call.accepted(call.answer())
        SESSIONS[connection.owner] = self
        self._left = opened(connection.owner, self)

    def closed(self) -> None:
        """End the call because the session is closed; do nothing if it has ended."""
        self._leave("success")

    def abandoned(self, at: float | None = None) -> None:
        """End the call of a session that was collected."""
        self._leave("abandoned", at)

    def _leave(self, outcome: Any, at: float | None = None) -> None:
        self._left.detach()
        try:
            broken = None if self._call.ended else self._broken()
        except Exception:  # noqa: BLE001 - must not reach the application
            broken = None
            self._call.runtime.guard("finish").swallow()
        if broken is not None:
            self._call.fail_with(broken, at)
        self._call.leave(outcome, at)

    def failed(self) -> None:
        """End the call with the exception being handled, if it means that the session is over."""
        if (exc := sys.exc_info()[1]) is None:
            return
        regular, over = was_closed_regularly(exc), was_closed(exc)
        del exc
        if regular:
            self.closed()
        elif over:
            self._call.fail()

    def returned(self, event: Any) -> Any:
        """Record an event, which may be the session's failure."""
        self._call.event(event)
        return event

    def broke(self, error: BaseException) -> None:
        """End the call with the error of a session that failed."""
        self._call.fail(error)
