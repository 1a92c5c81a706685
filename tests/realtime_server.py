"""A scriptable websocket server: Together's realtime endpoint on loopback.

::

    with RealtimeServer(keys=[key]) as server:
        server.script(behaviours.rate_limited())  # of handshakes, as of any request
        ...
        session = server.session(1)
        session.send(failed_event("Too fast", code="rate_limit", fatal=False))
        session.close(1011)

The package ``websockets`` comes with ``together[realtime]``; 1.x is tested without it.
"""

import contextlib
import json
import logging
import socket
import threading
from urllib.parse import parse_qs, urlsplit

from processes import PATIENCE

from together_otel.testing.answers import REPLY
from together_otel.testing.exchange import TRACE_ID
from together_otel.testing.server import TogetherServer

_ITEM = "conversation.item.input_audio_transcription"
_FIRST_ERROR = 300


def completed_event(transcript=REPLY, item="item-1"):
    """Return the event of an utterance that is transcribed."""
    return {"type": f"{_ITEM}.completed", "item_id": item, "transcript": transcript}


def failed_event(message, *, code=None, kind="invalid_request_error", fatal=True):
    """Return the event of an error, which ends the session if it is fatal."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    event = {"type": f"{_ITEM}.failed", "error": error}
    return event if fatal else event | {"item_id": "item-1", "event_type": "delta"}


class RealtimeSession:
    """The server's end of one session.

    It answers the client's probes for life, and transcribes each commit as the same sentence.
    All else is the script's.
    """

    def __init__(self, connection, number):
        self.number = number
        """Counts the server's sessions from 1."""
        query = parse_qs(urlsplit(connection.request.path).query)
        self.model = query.get("model", [None])[0]
        self.received = []
        """Every event that the client sent so far, in order of arrival."""
        self._connection = connection
        self._changed = threading.Condition()
        self._closings = []

    def send(self, event):
        """Send an event."""
        self._connection.send(json.dumps(event))

    def close(self, code=1000, reason=""):
        """Begin to close the session; returns at once, as the caller may be the client's loop.

        Args:
            code: close code; ``None`` sends none.
            reason: what to say with it.
        """
        closing = threading.Thread(
            target=self._connection.close, args=(code, reason), name="realtime-close", daemon=True
        )
        with self._changed:
            self._closings.append(closing)
            closing.start()

    def cut(self):
        """Close the session's socket without a word."""
        _shut(self._connection)

    def wait_for(self, n, timeout=PATIENCE):
        """Wait until ``n`` events have arrived and return them all.

        Raises:
            TimeoutError: when fewer came within so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= n, timeout):
                raise TimeoutError(f"{len(self.received)} of {n} events after {timeout} s")
            return list(self.received)

    def greet(self):
        """Send ``session.created``."""
        info = {"id": f"session-{self.number}", "model": self.model}
        self.send({"type": "session.created", "session": info})

    def serve(self, opening):
        """Talk to the client until the session ends, in whichever way."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - the same

        try:
            with contextlib.suppress(ConnectionClosed):
                if opening is not None:
                    opening(self)
                for message in self._connection:
                    self._got(json.loads(message))
        finally:
            for closing in self._closings:
                closing.join()

    def _got(self, event):
        with self._changed:
            self.received.append(event)
            self._changed.notify_all()
        if event["type"] == "echo":
            self.send({"type": "echo.response", "echo_id": event.get("echo_id")})
        elif event["type"] == "input_audio_buffer.commit":
            self.send(completed_event())


class RealtimeServer(TogetherServer):
    """Together's realtime endpoint on 127.0.0.1, as far as its SDK needs it.

    Handshakes are this server's requests: ``requests``, ``wait_for``, ``accept``, ``revoke``,
    ``script`` and ``always`` are a `TogetherServer`'s, and what any request is answered with,
    a handshake is refused with; one that would be answered is accepted.

    Args:
        keys: the keys that are accepted; none means any well-formed one.
        port: 0 takes a free one.
        opening: what a session begins with; ``None`` is silence.
    """

    def __init__(self, *, keys=(), port=0, opening=RealtimeSession.greet):
        super().__init__(keys=keys, port=port)
        self.sessions = []
        """Every session so far, in the order of their opening."""
        self._opening = opening
        self._connections = set()
        self._talking = set()
        self._websockets = None
        self._accepting = None

    def start(self):
        """Bind and serve from a thread of its own; return itself."""
        from websockets.sync.server import serve  # noqa: PLC0415 - 1.x is tested without it

        if self._websockets is not None:
            raise RuntimeError("the server is running")
        self._closing = False
        self._websockets = serve(
            self._talk,
            "127.0.0.1",
            self._port,
            process_request=self._look,
            compression=None,
            # Of clients that went away, which is what scripts are about.
            logger=_silent(),
        )
        self._accepting = threading.Thread(
            target=self._websockets.serve_forever, name="realtime-server", daemon=True
        )
        self._accepting.start()
        return self

    def close(self):
        """Stop, cut every connection and join their threads; twice is once."""
        websockets, accepting = self._websockets, self._accepting
        if websockets is None or accepting is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            for connection in self._connections:
                _shut(connection)
        websockets.shutdown()
        accepting.join()
        for thread in self._talking:
            thread.join()
        self._connections.clear()
        self._talking.clear()
        self._websockets = self._accepting = None

    @property
    def url(self):
        """The base URL for SDK 3.x, whose paths carry ``/v1``."""
        if self._websockets is None:
            raise RuntimeError("the server is not running")
        return f"http://127.0.0.1:{self._websockets.socket.getsockname()[1]}"

    def session(self, n=1, timeout=PATIENCE):
        """Wait until ``n`` sessions were opened and return the one opened last of these.

        Raises:
            TimeoutError: when fewer were within so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.sessions) >= n, timeout):
                raise TimeoutError(f"{len(self.sessions)} of {n} sessions after {timeout} s")
            return self.sessions[n - 1]

    def _look(self, connection, request):
        """Decide a handshake; called in a connection's own thread."""
        if not self._register(connection):
            return None
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        received, plan = self.take("GET", request.path, headers, b"")
        held = received is not None and plan.pause
        if held and not self.hold(received, plan.pause):
            return None  # this server is closing, and has cut the connection
        if plan.reply is None or plan.cut:
            _shut(connection)
            return None
        response = (
            connection.protocol.accept(request)
            if plan.reply.status < _FIRST_ERROR
            else _refusal(connection, plan.reply)
        )
        if received is not None:
            response.headers.setdefault("x-request-id", f"req-{received.number}")
            if not plan.reply.foreign:
                response.headers.setdefault(TRACE_ID, f"{received.number:032x}")
        return response

    def _register(self, connection):
        with self._changed:
            if self._closing:
                _shut(connection)
                return False
            self._connections.add(connection)
            self._talking = {known for known in self._talking if known.is_alive()}
            self._talking.add(threading.current_thread())
            return True

    def _talk(self, connection):
        with self._changed:
            session = RealtimeSession(connection, len(self.sessions) + 1)
            self.sessions.append(session)
            self._changed.notify_all()
        session.serve(self._opening)
        with self._changed:
            self._connections.discard(connection)


def _silent():
    logger = logging.Logger("together_otel.testing.realtime")  # noqa: LOG001 - in no hierarchy, to be heard by nobody
    logger.addHandler(logging.NullHandler())
    return logger


def _refusal(connection, reply):
    response = connection.respond(reply.status, reply.body.decode())
    headers = [("Content-Type", reply.content_type), *reply.headers]
    for name, _ in headers:
        response.headers.pop(name, None)
    for name, value in headers:
        response.headers[name] = value  # adds another line of it
    return response


def _shut(connection):
    with contextlib.suppress(OSError):  # the client was faster
        connection.socket.shutdown(socket.SHUT_RDWR)
