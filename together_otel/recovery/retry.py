"""A call that is made once more when its key was refused.

The patch's wrapper makes its call inside a retry, in a loop::

    while True:
        with retry, begin(…) as call:
            retry.watches(call)
            return call.returned(wrapped(…), client)

A retry swallows a refusal when there is another key, and so the loop goes round; the second
refusal, or whatever else goes wrong, ends it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NoReturn

from opentelemetry import trace

from together_otel import names
from together_otel.keys.formats import is_together_host
from together_otel.recovery.bodies import Bodies
from together_otel.recovery.lineage import Lines
from together_otel.recovery.scope import in_use
from together_otel.recovery.search import Found, Search
from together_otel.telemetry import attributes, events

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.calls.lifecycle import Call, NoopCall
    from together_otel.clients.base import Adapter, Failure
    from together_otel.recovery.lineage import Line
    from together_otel.recovery.scope import Recovery

_INCURABLE: Final = frozenset({"redirected", "overridden", "wrong_endpoint"})
"""Causes that another key does not help against: the client's own was not sent, or not to Together."""

LINES = Lines()
"""Of the clients of this process; of chains, for what their constructors lacked."""


def retry_of_call(
    runtime: Runtime,
    adapter: Adapter,
    client: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Retry | None:
    """Return what is to make a call again, if recovery is on; let the client use its newest key."""
    recovery = in_use(runtime)
    if (recovery is None and not LINES) or not adapter.recovers:
        return None
    with runtime.guard("recovery"):
        _renew(runtime, adapter, client, recovery)
        if recovery is not None:
            return Retry(runtime, recovery, adapter, client, Bodies(adapter.bodies(args, kwargs)))
    return None


def _renew(runtime: Runtime, adapter: Adapter, client: Any, recovery: Recovery | None) -> None:
    """Let a client use the key that took its own one's place."""
    shared = adapter.shared(client)
    given = key = adapter.key(client)
    line = LINES.find(shared, key)
    if line is not None:
        key = line.current
    for watched in recovery.watched if recovery is not None else ():
        new = watched.successor(key)
        if new is None or (line is not None and line.is_barred(new)):
            continue
        line = line or LINES.of(shared, key)
        found = Found.of(new, "file", runtime)
        line.rotated(found)
        LINES.add(shared, new, line)
        key = new
        if watched.is_news(new):
            events.emit(names.KEY_ROTATED, logging.INFO, attributes.of_key(found.report))
    if key is not given:
        adapter.set_key(client, key)


class RetryBase:
    """What the rescues of calls and of constructors have in common."""

    def __init__(self, runtime: Runtime, recovery: Recovery) -> None:
        self._runtime = runtime
        self._recovery = recovery
        self._original: BaseException | None = None
        self._refused_again = False

    def _ended(self, exc: BaseException | None) -> Search | None:
        """Note how a turn ended; return the search for another key, if one is to be made."""
        raise NotImplementedError

    def _takes(self, found: Found) -> bool:
        """Make ready for a turn with another key; tell whether there is to be one."""
        raise NotImplementedError

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        found = None
        with self._runtime.guard("recovery"):
            if (search := self._ended(exc)) is not None:
                found = search.result()
        return self._goes_round(exc, found)

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        found = None
        with self._runtime.guard("recovery"):
            if (search := self._ended(exc)) is not None:
                found = await search.result_async()
        return self._goes_round(exc, found)

    def _goes_round(self, exc: BaseException | None, found: Found | None) -> bool:
        original, self._original = self._original, None
        try:
            if original is not None and self._refused_again:
                _raise_as_it_was(original)
            with self._runtime.guard("recovery"):
                if found is not None and self._takes(found):
                    self._original = exc
                    return True
            return False
        finally:
            # Frame and exception would refer to each other until the next collection.
            del original, exc


class Retry(RetryBase):
    """The retry of a call, sync or async."""

    def __init__(
        self, runtime: Runtime, recovery: Recovery, adapter: Adapter, client: Any, bodies: Bodies
    ) -> None:
        super().__init__(runtime, recovery)
        self._adapter = adapter
        self._client = client
        self._bodies = bodies
        self._key = adapter.key(client)
        self._line: Line | None = None
        self._found: Found | None = None
        self._call: Call | NoopCall | None = None
        self._span = trace.INVALID_SPAN_CONTEXT

    def watches(self, call: Call | NoopCall) -> None:
        """Note the call of a turn; mark the second one's span."""
        self._call = call
        with self._runtime.guard("recovery"):
            span = trace.get_current_span()
            if self._found is None:
                self._span = span.get_span_context()
            elif span.is_recording():
                if span.get_span_context() != self._span:
                    span.add_link(self._span)
                span.add_event(
                    names.KEY_RECOVERED_EVENT,
                    {
                        names.RECOVERY_SOURCE: self._found.source,
                        **attributes.of_key(self._found.report),
                    },
                )

    def _ended(self, exc: BaseException | None) -> Search | None:
        """See `RetryBase._ended`."""
        shared, key = self._adapter.shared(self._client), self._key
        if exc is None:
            line = self._line or LINES.find(shared, key)
            # Unless another call has changed it meanwhile: which one was sent?
            if line is not None and self._adapter.key(self._client) == key:
                line.accepted(key)
            return None
        refusal = getattr(self._call, "refusal", None)
        if refusal is None or not _curable(*refusal):
            return None
        line = self._line = self._line or LINES.of(shared, key)
        line.refused(key)
        if self._found is not None:
            self._refused_again = True
            if self._adapter.key(self._client) == key:
                self._adapter.set_key(self._client, line.current)
            return None
        return Search(self._runtime, line, self._recovery, key, refusal[0])

    def _takes(self, found: Found) -> bool:
        """See `RetryBase._takes`."""
        if self._line is None or not self._adapter.set_key(self._client, found.key):
            return False
        LINES.add(self._adapter.shared(self._client), found.key, self._line)
        if not self._bodies.put_back():
            events.emit(
                names.REQUEST_NOT_REPEATED,
                logging.WARNING,
                {names.RECOVERY_SOURCE: found.source, **attributes.of_key(found.report)},
            )
            return False
        self._found, self._key = found, found.key
        return True


def _curable(failure: AuthFailure, told: Failure) -> bool:
    """Tell whether another key may help; none is shown to a server that is not Together's."""
    if failure.diagnosis.cause in _INCURABLE:
        return False
    return told.auth != "refused" or told.together_error or is_together_host(told.answer.host)


def _raise_as_it_was(exc: BaseException) -> NoReturn:
    context = exc.__context__
    try:
        raise exc
    finally:
        # What is being handled here is no context of its own.
        exc.__context__ = context
        del exc
