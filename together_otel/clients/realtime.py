"""Adapters of the realtime sessions of `together` 2.42 and later, which are websockets.

They bypass the base client's ``request``. A session is one call, from its handshake until it is
closed. Reconnections of a transcription session are attempts of the same call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from together_otel.clients.addresses import port_of
from together_otel.clients.answers import body_of, note_origin
from together_otel.clients.base import Adapter, Answer, Failure, Request, Session
from together_otel.clients.credentials import authorization_in, replace_key
from together_otel.clients.failures import FIRST_ERROR, auth_kind, chain, class_names, failure_of

if TYPE_CHECKING:
    from together_otel.clients.base import Args, Kwargs
    from together_otel.names import Outcome

_REGULAR_CLOSES = (1000, 1001, 1005)
"""Close codes of a session that ended regularly: normal, going away, no code."""

_CLIENT_FAULTS = (1002, 1003, 1007, 1008, 1009, 1010)
"""Close codes by which a server rejects what the client sent."""

_BAD_REQUEST = 400
_NO_SERVER = "no_healthy_workers"
_IDLE = "idle_timeout"


class Connections(Adapter):
    """Adapter of the SDK's connection managers, whose ``connect`` is patched."""

    operation = "realtime.connect"
    recovers = True

    def key(self, client: Any) -> object:
        return super().key(client._client)

    def set_key(self, client: Any, key: object) -> bool:
        # A manager reads the client's key for each handshake.
        return super().set_key(client._client, key)

    def shared(self, client: Any) -> object:
        # The same object as for the client's requests, so that a replaced key holds for both.
        return client._client._client

    def request(self, client: Any, _args: Args, _kwargs: Kwargs) -> Request:
        base = client._client.base_url
        request = Request(self.operation, base.host, port_of(base), client._model)
        # Only the headers of the session are sent, not the client's.
        replace_key(request, client._extra_headers, "extra_headers")
        return request

    def handshake(self, manager: Any, connection: Any = None) -> Answer:
        """Describe a handshake before it is made, or the one that opened ``connection``."""
        replaced = authorization_in(manager._extra_headers)
        sent = f"Bearer {self.key(manager)}" if replaced is None else replaced
        status = (None, None) if connection is None else answered(connection._ws.response)
        return Answer(*status, authorization=sent)

    def answer(self, seen: Answer) -> Answer:
        return replace(seen)

    def failure(self, exc: BaseException, seen: Answer | None, key: object) -> Failure:
        # A refused handshake raises websockets' ``InvalidStatus``; a transcription session raises
        # an error of its own from that.
        own = f"Bearer {key}"
        answer = Answer(authorization=own) if seen is None else self.answer(seen)
        status: int | None = None
        body: object = _body_of_event(exc)
        # Not the contexts from outside: these may be failures of an earlier session.
        refused = next(
            (one for one in chain(exc, inside=True) if "InvalidStatus" in class_names(one)), None
        )
        if refused is not None:
            response = getattr(refused, "response", None)
            status, answer.request_id = answered(response)
            answer.status_code, body = status, body_of(response)
            if response is not None:
                note_origin(answer, headers_of(response), body)
            if status is not None and status < FIRST_ERROR:
                status = None  # an answer without a websocket: another kind of server
        sent = answer.authorization != own
        found = failure_of(exc, status=status, body=body, answer=answer, sent=sent)
        if found.auth is None and status in (None, _BAD_REQUEST) and _tears(answer, exc):
            found.auth, found.outcome = "unsendable", "auth_failure"
        elif found.outcome in ("client_error", "connection_error") and status is None:
            found.outcome = _outcome(exc) or found.outcome
        return found

    def failure_in(self, value: Any, _seen: Any = None) -> Failure | None:
        # An error event that ends the session.
        if not getattr(value, "is_fatal", False):
            return None
        error = getattr(value, "error", None)
        code = getattr(error, "code", None)
        if (kind := auth_kind(None, code)) is not None:
            answer = Answer()
            note_origin(answer, {}, getattr(error, "message", None))
            return Failure("auth_failure", answer, auth=kind, code=code)
        if code == _IDLE:
            return Failure("timeout", Answer())
        by_client = getattr(error, "type", None) == "invalid_request_error"
        return Failure("client_error" if by_client else "server_error", Answer())

    def session_of(self, client: Any, returned: Any) -> Session | None:
        protocol = returned._ws.protocol
        handshake = self.handshake(client, returned)

        def failure() -> Failure | None:
            if protocol.close_rcvd is None and protocol.close_code is None:
                return None  # still open
            outcome = _outcome_of_close(protocol.close_rcvd)
            return None if outcome is None else Failure(outcome, self.answer(handshake))

        return Session(returned, failure)


class Transcriptions(Connections):
    """Adapter of the SDK's transcription sessions, which reconnect automatically."""

    operation = "realtime.transcription"
    recovers = False
    """Its connections recover instead, including those of a reconnection."""

    def is_open(self, session: Any) -> bool:
        """Return whether a session is open, in which case starting it does nothing."""
        return getattr(session, "_connection", None) is not None

    def session_of(self, client: Any, _returned: Any) -> Session | None:
        # The session reports its failures itself.
        return Session(client, lambda: None)


def was_closed(exc: BaseException) -> bool:
    """Return whether an exception means that a connection is closed, regularly or not."""
    return "ConnectionClosed" in class_names(exc)


def was_closed_regularly(exc: BaseException) -> bool:
    """Return whether an exception means that a connection was closed regularly."""
    return "ConnectionClosedOK" in class_names(exc)


def answered(response: Any) -> tuple[int | None, str | None]:
    """Return the status and the request id of a handshake's response."""
    return getattr(response, "status_code", None), headers_of(response).get("x-request-id")


def headers_of(message: Any) -> dict[str, str]:
    """Return the headers of a handshake's request or response by their names in lower case.

    Of several with one name, the first: a lookup in the headers of `websockets` raises.
    """
    headers = getattr(message, "headers", None)
    pairs = [] if headers is None else list(headers.raw_items())
    return {name.lower(): value for name, value in reversed(pairs)}


def _body_of_event(exc: BaseException) -> dict[str, object]:
    """Return an error body with the code of the event that a session failed with, if any."""
    # Only for RealtimeError: reading ``code`` of websockets' ConnectionClosed is deprecated.
    code = getattr(exc, "code", None) if "RealtimeError" in class_names(exc) else None
    return {"code": code}


def _tears(answer: Answer, exc: BaseException) -> bool:
    """Return whether a handshake failed because the key breaks the request's headers.

    websockets before 17 sends line ends and NULs unchanged; servers then close the connection or
    answer 400. An unreachable server raises other classes.
    """
    if set(answer.authorization or "").isdisjoint("\r\n\0"):
        return False
    return any(
        "InvalidHandshake" in class_names(one) or type(one) in (ConnectionError, EOFError)
        for one in chain(exc, inside=True)
    )


def _outcome(exc: BaseException) -> Outcome | None:
    """Return the outcome by an exception's causes if its class is too general, else ``None``."""
    if _body_of_event(exc)["code"] == _NO_SERVER:
        return "server_error"
    found = list(chain(exc, inside=True))
    if exc.__suppress_context__ and exc.__context__ is not None:
        found.append(exc.__context__)
    for one in found:
        if was_closed(one):
            return _outcome_of_close(one.rcvd)  # type: ignore[attr-defined]  # matched by name
        if "TimeoutError" in class_names(one):
            return "timeout"
        if isinstance(one, OSError):
            return "connection_error"
    return None


def _outcome_of_close(received: Any) -> Outcome | None:
    """Return the outcome for the server's close frame, if any; ``None`` for a regular close."""
    if received is None:
        return "connection_error"
    if received.code in _REGULAR_CLOSES:
        return None
    return "client_error" if received.code in _CLIENT_FAULTS else "server_error"
