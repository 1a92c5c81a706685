"""Bodies of HTTP libraries' responses, which the caller reads or not.

They are never read here. What the caller reads describes the response, and its end ends the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from together_otel.calls.arguments import Arguments
from together_otel.calls.state import Timing
from together_otel.calls.streams import Stream
from together_otel.calls.taps import Content, watch_httpx, watch_lm15, watch_raw
from together_otel.clients.answers import said_in
from together_otel.clients.documents import (
    DONE,
    Events,
    Pieces,
    has_news,
    inflating,
    is_document,
    is_stream,
    parsed,
)
from together_otel.clients.failures import FIRST_ERROR, UNAUTHORIZED
from together_otel.clients.wire import content_type_of, failure_of_answer
from together_otel.recovery.scope import in_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.call import Call
    from together_otel.clients.base import OpenBody

_PIECE: Final[dict[str, Any]] = {}
"""Stands for an event with text only."""


class Unread:
    """A call whose response the caller reads. Receives each piece that is read."""

    __slots__ = (
        *("__weakref__", "_call", "_captures", "_events", "_headers"),
        *("_inflate", "_kept", "_stream"),
    )

    def __init__(self, call: Call, response: Any) -> None:
        self._call, self._headers = call, response.headers
        self._captures = call.result.messages is not None
        self._inflate = inflating(response.headers.get("content-encoding"))
        self._kept: Pieces | None = None
        self._events = self._stream = None
        content_type = content_type_of(response)
        # The response holds the body, which would then never be collected.
        call.note_answer()
        if self._is_error() or is_document(content_type):
            self._kept = Pieces()
            # Recovery needs the failure now, and the body may never be read.
            if call.answer().status_code == UNAUTHORIZED and in_use(call.runtime) is not None:
                self._fail()
        elif is_stream(content_type):
            self._events, self._stream = Events(), Stream(call)
        else:
            call.timing = Timing()

    def feed(self, data: bytes) -> None:
        """Record a piece of the body."""
        try:
            if self._inflate is not None:
                data = self._inflate(data)
            if self._events is not None:
                for event in self._events.feed(data):
                    self._event(event)
            elif self._kept is not None:
                self._kept.add(data)
            elif data and self._call.timing is not None:
                self._call.timing.tick()
        except Exception:  # noqa: BLE001 - must not reach the application
            self._call.runtime.guard("stream").swallow()

    def _event(self, event: bytes) -> None:
        call, stream = self._call, self._stream
        if event == DONE:
            call.succeed()
        elif event and stream is not None and not call.ended:
            first = call.timing is None or not call.timing.chunks
            found = parsed(event) if first or self._captures or has_news(event) else _PIECE
            stream.got(_PIECE if found is None else found)

    def exhausted(self) -> None:
        """End the call because the body is read completely."""
        call = self._call
        if self._kept is None:
            call.succeed()
            return
        if self._is_error():
            self._fail()
            return
        held = Arguments()
        try:
            held.value = parsed(self._kept.take() or b"null")
        except Exception:  # noqa: BLE001 - must not reach the application
            call.runtime.guard("finish").swallow()
        call.succeed(held)

    def failed(self) -> None:
        """End the call with the exception being handled."""
        self._call.fail()

    def abandoned(self, at: float | None = None) -> None:
        """End the call of a body that is left early; an error response is still a failure."""
        if self._is_error():
            self._fail(at)
        else:
            self._call.leave("abandoned", at)

    def _is_error(self) -> bool:
        return (self._call.answer().status_code or 0) >= FIRST_ERROR

    def _fail(self, at: float | None = None) -> None:
        """End the call with an error response, as far as its body was read."""
        failure = None
        try:
            body = said_in(b"" if self._kept is None else self._kept.take())
            failure = failure_of_answer(self._call.answer(), self._headers, body)
            del body  # it may repeat the key
        except Exception:  # noqa: BLE001 - must not reach the application
            self._call.runtime.guard("finish").swallow()
        if failure is not None:
            self._call.fail_with(failure, at)

    def closed(self) -> None:
        """End the call of a body that is closed, if it has not ended."""
        self.abandoned()


class _Document:
    """The JSON body of a response that the SDK takes for a stream, which then yields nothing."""

    def __init__(self, call: Call) -> None:
        self._call, self._kept = call, Pieces()

    def feed(self, data: bytes) -> None:
        self._kept.add(data)

    def exhausted(self) -> None:
        call, content = self._call, self._kept.take()
        try:
            is_empty = call.timing is not None and not call.timing.chunks
            if is_empty and (found := parsed(content)) is not None:
                call.succeed(Arguments(value=found))
        except Exception:  # noqa: BLE001 - must not reach the application
            call.runtime.guard("stream").swallow()

    def failed(self) -> None:
        """Do nothing, as in the methods below: the stream reports it."""

    def abandoned(self, at: float | None = None) -> None: ...

    def closed(self) -> None: ...


def watch_document(call: Call, response: Any) -> None:
    """Watch the body of a stream if it is JSON, because it may be a refusal with status 200."""
    if response is not None and "json" in content_type_of(response):
        watch_httpx(response, _Document(call))


def watch_unread(call: Call, body: OpenBody) -> None:
    """Let the reading of a response's body end its call, however the caller reads it."""
    response = body.response
    _WATCHERS[body.library or ""](response, Unread(call, response))


def _watch_requests(response: Any, unread: Unread) -> None:
    try:
        watch_raw(response.raw, unread)
    except TypeError:  # as for io.BytesIO: only the headers are known
        unread.exhausted()


def _watch_aiohttp(response: Any, unread: Unread) -> None:
    response.content = Content(response.content, unread)


_WATCHERS: Final[dict[str, Callable[[Any, Unread], None]]] = {
    "httpx": watch_httpx,
    "lm15": watch_lm15,
    "requests": _watch_requests,
    "aiohttp": _watch_aiohttp,
}
