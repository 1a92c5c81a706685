"""Bodies of the SDK's raw and streaming responses, which the caller reads.

If the SDK reads or parses a body itself, the call gets the result from the SDK.
"""

from __future__ import annotations

import weakref
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from together_otel.calls.arguments import Arguments
from together_otel.calls.around import observed
from together_otel.calls.iterators import is_watched, watch
from together_otel.calls.streams import Stream
from together_otel.calls.taps import WatchedBody, watch_httpx
from together_otel.calls.unread import Unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.call import Call


class Body(Unread):
    """A call whose response the caller reads. It ends when the body ends or is closed.

    ``returned`` is the SDK's object, ``response`` the HTTP response in it.
    """

    __slots__ = ("_reader_is_at_work",)

    def __init__(self, call: Call, returned: Any, response: Any) -> None:
        super().__init__(call, response)
        self._reader_is_at_work: Callable[[], bool] | None = None
        watch_httpx(response, self)
        returned.__class__ = _open_kind(type(returned))  # type: ignore[arg-type]  # classes are hashable

    def feed(self, data: bytes) -> None:
        """Record a piece, unless the SDK interprets the body."""
        if self._reader_is_at_work is None:
            super().feed(data)

    def exhausted(self) -> None:
        """End the call, unless the SDK interprets the body."""
        if self._reader_is_at_work is None:
            super().exhausted()

    def closed(self) -> None:
        """End the call of a body that is closed early, unless the SDK's reader closes it."""
        if self._reader_is_at_work is None or not self._reader_is_at_work():
            super().closed()

    def reading(self, response: Any) -> _Reading:
        """Let the SDK's reading of the whole body end the call."""
        self._reader_is_at_work = lambda: True
        return _Reading(self._call, response)

    def parsed(self, value: Any) -> Any:
        """Watch the stream that the SDK made of the body; return what the caller gets."""
        call = self._call
        try:
            stream = call.adapter.stream_of(value)
            if stream is not None and not is_watched(stream):
                # Weakly, because the stream holds the body, which holds this object.
                self._reader_is_at_work = partial(_is_running, weakref.ref(stream))
                watcher = Stream(call)
                return call.adapter.with_stream(value, watch(stream, watcher), watcher.abandoned)
        except Exception:  # noqa: BLE001 - must not reach the application
            call.runtime.guard("stream").swallow()
        return value


class _Reading:
    """Observes the SDK's reading of a whole body."""

    def __init__(self, call: Call, response: Any) -> None:
        self._call, self._response = call, response

    def returned(self, value: Any) -> Any:
        self._call.succeed(Arguments(value=self._response))
        return value

    def failed(self) -> None:
        self._call.fail()


class _Parsing:
    """Observes the SDK's parsing of an open response."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def returned(self, value: Any) -> Any:
        return self._body.parsed(value)

    def failed(self) -> None:
        """Do nothing: a reading that fails reports itself."""


def _body_of(response: Any) -> Body | None:
    stream = response.http_response.stream
    return stream.unread if type(stream) is WatchedBody else None


def _observe_read(response: Any, _args: object, _kwargs: object) -> _Reading | None:
    return None if (body := _body_of(response)) is None else body.reading(response)


def _observe_parse(response: Any, _args: object, _kwargs: object) -> _Parsing | None:
    return None if (body := _body_of(response)) is None else _Parsing(body)


@lru_cache(maxsize=64)
def _open_kind(kind: type) -> type:
    """Return a subclass of a response's class, with ``read`` and ``parse`` observed.

    For open responses only. Attributes of the instance would have to refer to it and delay its
    collection.
    """
    ours = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    for name, observe in (("read", _observe_read), ("parse", _observe_parse)):
        if hasattr(kind, name):
            ours[name] = observed(getattr(kind, name), observe)
    return type(kind.__name__, (kind,), ours)


def _is_running(generator: weakref.ref[Any]) -> bool:
    """Return whether a generator, sync or async, exists and is running."""
    iterator = generator()
    return bool(getattr(iterator, "gi_running", False) or getattr(iterator, "ag_running", False))
