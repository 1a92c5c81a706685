"""Retry of a call or a constructor whose key was refused, with another key.

The wrapper of a patched method loops over the attempts: it calls `Retry.begun`, then either
`Retry.succeeded`, or `Retry.again` in the ``except`` branch and `Retry.raise_first` after it.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from together_otel import names
from together_otel.keys import identity_of, text_of
from together_otel.keys.hosts import is_together_host
from together_otel.recovery.asking import running_loop
from together_otel.recovery.bodies import rewinder
from together_otel.recovery.replacements import REPLACEMENTS, Found, Replacement
from together_otel.recovery.scope import Recovery, chosen, in_use
from together_otel.recovery.search import Search
from together_otel.telemetry import attributes, events

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import SpanContext

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.clients.base import Adapter, Failure

    Args = tuple[Any, ...]
    Refusal = tuple[AuthFailure, Failure | None]
    """A diagnosis and, except for constructors, the adapter's description of the failure."""

_INCURABLE: Final = frozenset({"redirected", "overridden", "header_lost", "wrong_endpoint"})
"""Causes that another key does not fix: the client's key was not sent, or not to Together."""


def retry_of_call(
    runtime: Runtime, adapter: Adapter, client: Any, args: Args, kwargs: dict[str, Any]
) -> Retry | None:
    """Set a client's newest key; return its retry, ``None`` if it has no recovery or new key."""
    if (chosen.get(runtime.recovery) is None and not REPLACEMENTS.kept) or not adapter.recovers:
        return None
    recovery, retry, rotated = in_use(runtime), None, None
    with runtime.guard("recovery"):
        replacement, rotated = _renew(runtime, adapter, client, recovery)
        if recovery is not None or (replacement is not None and replacement.is_unproven):
            rewind = rewinder(adapter.bodies(args, kwargs))
            retry = Retry(
                runtime, recovery, adapter, client, adapter.key(client), replacement, rewind
            )
    library = adapter.reader_of(client).library if rotated is not None else None
    # No frame of this package holds a key, or a client that shows its key, during logging.
    del client, args, kwargs
    if rotated is not None:
        with runtime.guard("log"):
            fields = {names.CLIENT_LIBRARY: library, **attributes.of_key(rotated.report)}
            events.emit(names.KEY_ROTATED, logging.INFO, fields)
    return retry


def _renew(
    runtime: Runtime, adapter: Adapter, client: Any, recovery: Recovery | None
) -> tuple[Replacement | None, Found | None]:
    """Set a client's key to the one that replaced it, if any.

    Returns the replacement, if any, and the new key of a changed file if not yet logged.
    """
    shared, given = adapter.shared(client), adapter.key(client)
    key, news, replacement = given, None, REPLACEMENTS.find(shared, given)
    if replacement is not None:
        key = replacement.current
    owner = recovery if shared is None else shared
    for watched in recovery.watched if recovery is not None else ():
        new = watched.successor(key)
        if new is None or (replacement is not None and replacement.is_barred(new)):
            continue
        replacement = replacement or REPLACEMENTS.of(owner, key)
        found = Found.of(new, "file", runtime)
        replacement.rotated(found)
        REPLACEMENTS.of(owner, new, replacement)
        key = replacement.current
        if watched.is_news():
            news = found
    if key is not given:
        adapter.set_key(client, key)
    return replacement, news


@dataclass(eq=False, repr=False)
class Retry:
    """The retry of a call, sync or async.

    ``first`` is the first attempt's exception, once the second attempt is refused as well.
    """

    _runtime: Runtime
    _recovery: Recovery | None
    _adapter: Adapter
    _client: Any
    _key: object = None
    _replacement: Replacement | None = None
    _rewind: Callable[[], bool] = lambda: True
    _found: Found | None = None
    _original: BaseException | None = None
    _span: SpanContext = trace.INVALID_SPAN_CONTEXT
    first: BaseException | None = None

    def begun(self, span: trace.Span) -> None:
        """Remember the span of the first attempt; add a link and an event to the second's span."""
        with self._runtime.guard("recovery"):
            if self._found is None:
                self._span = span.get_span_context()
            elif span.is_recording():
                if span.get_span_context() != self._span:
                    span.add_link(self._span)
                span.add_event(names.KEY_RECOVERED_EVENT, _fields(self._found))

    def succeeded(self) -> None:
        """Record that an attempt succeeded, which proves its key."""
        self._original = None
        with self._runtime.guard("recovery"):
            adapter, client = self._adapter, self._client
            replacement = self._replacement or REPLACEMENTS.find(adapter.shared(client), self._key)
            # If another call changed the client's key meanwhile, which key was sent is unknown.
            if replacement is not None and adapter.key(client) == self._key:
                report = replacement.accepted(self._key)
                report("recovered")

    def again(self, refusal: Refusal | None) -> bool:
        """Look for another key and return whether to make the call again.

        The exception is read from `sys.exc_info` and is no argument, so that no frame of this
        package holds it during logging. ``refusal`` is ``None`` for failures other than a refused
        key.
        """
        with self._runtime.guard("recovery"):
            search = self._refused(refusal)
            return search is not None and self._repeats(search.found())
        return False

    async def again_async(self, refusal: Refusal | None) -> bool:
        """Return the same as `again`, without blocking the event loop."""
        with self._runtime.guard("recovery"):
            search = self._refused(refusal)
            return search is not None and self._repeats(await search.found_async())
        return False

    def raise_first(self) -> None:
        """Raise the first attempt's exception unchanged if the second was refused as well."""
        exc, self.first = self.first, None
        if exc is None:
            return
        context, traceback = exc.__context__, exc.__traceback__
        try:
            # Raising adds the wrapper's frame again.
            raise BaseException.with_traceback(exc, traceback and traceback.tb_next)
        finally:
            # Raising sets the exception that the application is handling as the context. Assignment
            # would fail for a frozen dataclass.
            vars(BaseException)["__context__"].__set__(exc, context)
            # Break the reference cycle between this frame and the exception.
            del exc, context, traceback

    def _repeats(self, found: Found | None) -> bool:
        if found is None or not self._takes(found):
            return False
        self._found, self._original = found, sys.exc_info()[1]
        return True

    def _refused(self, refusal: Refusal | None) -> Search | None:
        """Record an attempt's failure and return the search for another key, if it needs one."""
        self.first, self._original = self._original, None
        if refusal is None or not _is_curable(*refusal, self._runtime.settings.hosts):
            self.first = None
            return None
        adapter, client = self._adapter, self._client
        replacement = self._replacement or REPLACEMENTS.of(self._owner(), self._key)
        self._replacement = replacement
        report = replacement.refused(self._key)
        report("refused_again")
        if self._found is not None:
            if adapter.key(client) == self._key:
                adapter.set_key(client, replacement.current)
        elif self._recovery is not None:
            return Search(self._runtime, replacement, self._recovery, refusal[0], self._key)
        return None

    def _owner(self) -> object:
        """Return what has the replacement; in no frame that logs, as its repr may show a key."""
        shared = self._adapter.shared(self._client)
        # Calls that must not get one another's keys still ask the sources together.
        return self._recovery if shared is None else shared

    def _takes(self, found: Found) -> bool:
        """Prepare an attempt with another key; return whether it can be made."""
        if not self._adapter.set_key(self._client, found.key):
            return False
        REPLACEMENTS.of(self._adapter.shared(self._client), found.key, self._replacement)
        if not self._rewind():
            library = self._adapter.reader_of(self._client).library
            fields = {names.CLIENT_LIBRARY: library, **_fields(found)}
            events.emit(names.REQUEST_NOT_REPEATED, logging.WARNING, fields)
            return False
        self._key = found.key
        return True


def _fields(found: Found) -> dict[str, Any]:
    return {names.RECOVERY_SOURCE: found.source, **attributes.of_key(found.report)}


def _is_curable(failure: AuthFailure, known: Failure | None, hosts: tuple[str, ...]) -> bool:
    """Return whether another key may help. No key is sent to a server that is not Together's."""
    if failure.diagnosis.cause in _INCURABLE:
        return False
    if known is None or known.auth != "refused" or known.answer.from_together is not False:
        return True
    return is_together_host(known.answer.host, hosts)


def retry_of_constructor(
    runtime: Runtime, adapter: Adapter, client: Any, args: Args, kwargs: dict[str, Any]
) -> ConstructorRetry | None:
    """Return the retry of a constructor, or ``None`` if recovery is off."""
    recovery = in_use(runtime)
    if recovery is None:
        return None
    return ConstructorRetry(runtime, recovery, adapter, client, args=args, kwargs=kwargs)


@dataclass(eq=False, repr=False, kw_only=True)
class ConstructorRetry(Retry):
    """The retry of a constructor that raises because it has no key, with its next arguments."""

    args: Args
    kwargs: dict[str, Any]

    def succeeded(self) -> None:
        """Leave it to the client's requests to prove the key."""
        self._original = None
        with self._runtime.guard("recovery"):
            if self._found is not None:
                own = REPLACEMENTS.of(self._adapter.shared(self._client), self._found.key)
                own.inherit(REPLACEMENTS.of(self._recovery, None))

    def _refused(self, refusal: Refusal | None) -> Search | None:
        self._original = None
        if refusal is None or self._found is not None or self._recovery is None:
            return None
        replacement = REPLACEMENTS.of(self._recovery, None)
        if self._was_refused(replacement.current):
            report = replacement.refused(replacement.current)
            report("refused_again")
        # A constructor cannot be awaited, so slow sources would block the loop of an async client.
        is_async = any(one.__name__.startswith("Async") for one in type(self._client).__mro__)
        may_wait = running_loop() is None or not is_async
        return Search(self._runtime, replacement, self._recovery, refusal[0], may_wait=may_wait)

    def _was_refused(self, key: object) -> bool:
        """Return whether the key given to earlier constructors was refused in requests."""
        if key is None:
            return False
        identity, history = identity_of(text_of(key)), self._runtime.keys.history
        refused = history.last_refused(identity)
        return refused is not None and refused > (history.last_accepted(identity) or 0.0)

    def _takes(self, found: Found) -> bool:
        if self.args:
            self.args = (found.key, *self.args[1:])
        else:
            self.kwargs = {**self.kwargs, "api_key": found.key}
        return True
