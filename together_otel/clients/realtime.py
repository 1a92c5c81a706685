"""Realtime sessions of `together` 2.42 and later: websockets, opened by one handshake each.

They go round the base client's ``request``. A call is the session, from its handshake to its
closing; the connections that a transcription session opens again by itself are attempts at it.
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
"""Close codes of a session that came to its end: normal, going away, none given."""

_CLIENT_FAULTS = (1002, 1003, 1007, 1008, 1009, 1010)
"""Close codes by which a server complains about what it was sent."""

_BAD_REQUEST = 400
_NO_SERVER = "no_healthy_workers"
_IDLE = "idle_timeout"


class Connections(Adapter):
    """Adapter of the SDK's connection managers, on which ``connect`` is called."""

    operation = "realtime.connect"
    recovers = True

    def key(self, client: Any) -> object:
        return super().key(client._client)

    def set_key(self, client: Any, key: object) -> bool:
        # A manager asks its client for each handshake.
        return super().set_key(client._client, key)

    def shared(self, client: Any) -> object:
        # What the client's requests are recovered for, too.
        return client._client._client

    def request(self, client: Any, _args: Args, _kwargs: Kwargs) -> Request:
        base = client._client.base_url
        request = Request(self.operation, base.host, port_of(base), client._model)
        # Of all headers, only those given with the session are sent.
        replace_key(request, client._extra_headers, "extra_headers")
        return request

    def handshake(self, manager: Any, connection: Any = None) -> Answer:
        """Describe a handshake that is about to be made, or that led to ``connection``."""
        replaced = authorization_in(manager._extra_headers)
        sent = f"Bearer {self.key(manager)}" if replaced is None else replaced
        status = (None, None) if connection is None else answered(connection._ws.response)
        return Answer(*status, authorization=sent)

    def answer(self, seen: Answer) -> Answer:
        return replace(seen)

    def failure(self, exc: BaseException, seen: Answer | None, key: object) -> Failure:
        # A refused handshake is an ``InvalidStatus`` of websockets; a transcription session raises
        # its own error from that.
        own = f"Bearer {key}"
        answer = Answer(authorization=own) if seen is None else self.answer(seen)
        status: int | None = None
        body: object = _body_of_event(exc)
        # Not what was raised beside it: that may be the failure of a session tried before.
        refused = next(
            (one for one in chain(exc, inside=True) if "InvalidStatus" in class_names(one)), None
        )
        if refused is not None:
            response = getattr(refused, "response", None)
            status, answer.request_id = answered(response)
            answer.status_code, body = status, body_of(response)
            if response is not None:
                note_origin(answer, response.headers, body)
            if status is not None and status < FIRST_ERROR:
                status = None  # an answer, but no websocket: what is there is another server
        sent = answer.authorization != own
        found = failure_of(exc, status=status, body=body, answer=answer, sent=sent)
        if found.auth is None and status in (None, _BAD_REQUEST) and _tears(answer, exc):
            found.auth, found.outcome = "unsendable", "auth_failure"
        elif found.outcome in ("client_error", "connection_error") and status is None:
            found.outcome = _outcome(exc) or found.outcome
        return found

    def failure_in(self, value: Any, _seen: Any = None) -> Failure | None:
        # An event that ends the session with an error.
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
    """Adapter of the SDK's transcription sessions, which connect again by themselves."""

    operation = "realtime.transcription"
    recovers = False
    """Its connections are, so that one which it opens again by itself is as well."""

    def is_open(self, session: Any) -> bool:
        """Return whether a session is open: starting it then does nothing."""
        return getattr(session, "_connection", None) is not None

    def session_of(self, client: Any, _returned: Any) -> Session | None:
        # The session has its own way to say that it failed.
        return Session(client, lambda: None)


def was_closed(exc: BaseException) -> bool:
    """Return whether an exception says that a connection is closed, regularly or not."""
    return "ConnectionClosed" in class_names(exc)


def was_closed_regularly(exc: BaseException) -> bool:
    """Return whether an exception says that a connection came to its regular end."""
    return "ConnectionClosedOK" in class_names(exc)


def answered(response: Any) -> tuple[int | None, str | None]:
    """Return status and request id of the answer to a handshake."""
    headers = getattr(response, "headers", None)
    request_id = headers.get("x-request-id") if headers is not None else None
    return getattr(response, "status_code", None), request_id


def _body_of_event(exc: BaseException) -> dict[str, object]:
    """Return an error body of the event that a session failed with, as far as it is kept."""
    # Not of any exception: reading the code of a closed connection's is deprecated.
    code = getattr(exc, "code", None) if "RealtimeError" in class_names(exc) else None
    return {"code": code}


def _tears(answer: Answer, exc: BaseException) -> bool:
    """Return whether a handshake failed for a key that tears its request in two.

    Websockets before 17 sends line ends and NULs as they are, whereupon servers hang up or
    answer 400. A server that cannot be reached raises other classes.
    """
    if set(answer.authorization or "").isdisjoint("\r\n\0"):
        return False
    return any(
        "InvalidHandshake" in class_names(one) or type(one) is ConnectionError
        for one in chain(exc, inside=True)
    )


def _outcome(exc: BaseException) -> Outcome | None:
    """Return what happened, where an exception's class is too vague; else ``None``."""
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
    """Return what the server's close frame, if one came, means; ``None`` for a regular end."""
    if received is None:
        return "connection_error"
    if received.code in _REGULAR_CLOSES:
        return None
    return "client_error" if received.code in _CLIENT_FAULTS else "server_error"
