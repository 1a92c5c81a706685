"""One call: begun once, finished once, whether sync, async, streamed or a session.

`begin` gives a context manager that makes the span current while the SDK works.
`Call.returned` finishes the call, or hands it on to what will: a stream, an open body, a
session.
"""

from __future__ import annotations

import time
import weakref
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace

from together_otel import forks
from together_otel.calls.reporting import NO_FAILURE, Ending, measure, tell, tell_attempt
from together_otel.calls.streams import (
    WatchedBody,
    dropped,
    is_running,
    is_watched,
    opened,
    settle,
    watch,
)
from together_otel.clients.base import Answer, Result
from together_otel.clients.failures import chain
from together_otel.keys import text_of
from together_otel.telemetry import spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.clients.base import Adapter, AuthKind, Failure, Session
    from together_otel.clients.messages import Messages
    from together_otel.names import Outcome

_CALL = context.create_key("together_otel-call")
_ENDED = context.Context()

_sessions: weakref.WeakKeyDictionary[Any, Call] = weakref.WeakKeyDictionary()
"""Calls that last as long as a connection, by the object that holds it."""


def current_call() -> Call | None:
    """Return the call that the SDK is working on in this context, if any."""
    call = context.get_value(_CALL)
    return call if isinstance(call, Call) else None


def secrets_in(found: context.Context | None) -> list[str] | None:
    """Return the key of the call that a context belongs to, as text; ``None`` without a call."""
    call = context.get_value(_CALL, found)
    return call.secrets() if isinstance(call, Call) else None


def call_of_session(owner: Any) -> Call | None:
    """Return the call whose connection an object holds, if any."""
    return _sessions.get(owner)


def call_of_body(response: Any) -> Call | None:
    """Return the call whose body an SDK's response object reads, if it was open at its return."""
    body = getattr(response.http_response, "stream", None)
    return body.call if type(body) is WatchedBody else None


def _always() -> bool:
    return True


class NoopCall:
    """Stands in for a call that could not be begun: passes everything through."""

    refusal = None

    def __enter__(self) -> NoopCall:  # noqa: PYI034 - Self needs 3.11 or another package
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def attempted(self) -> None:
        """Do nothing."""

    def answered(self, _response: Any) -> None:
        """Do nothing."""

    def returned(self, value: Any, _client: Any = None) -> Any:
        """Return ``value``."""
        return value


NOOP_CALL = NoopCall()


def begin(
    runtime: Runtime,
    adapter: Adapter,
    client: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Call | NoopCall:
    """Begin the telemetry of a call that is about to be made."""
    settle()
    with runtime.guard("begin"):
        runtime.begins(secrets_in)
        return Call(runtime, adapter, client, args, kwargs)
    return NOOP_CALL


class Call:
    """The telemetry of one call."""

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_attempts",
        "_client",
        "_context",
        "_ended",
        "_first_chunk",
        "_generation",
        "_key",
        "_last_chunk",
        "_noted",
        "_outer",
        "_parser_at_work",
        "_pieces",
        "_report",
        "_request",
        "_result",
        "_runtime",
        "_seen",
        "_session_failure",
        "_span",
        "_started",
        "_streaming",
        "_token",
        "_told_inside",
        "adapter",
        "chunks",
        "delegated",
        "refusal",
    )

    def __init__(
        self,
        runtime: Runtime,
        adapter: Adapter,
        client: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._runtime = runtime
        self.adapter = adapter
        self._request = request = adapter.request(client, args, kwargs)
        self._key = adapter.key(client)
        self._client = client
        self._report = runtime.keys.of(self._key)
        self._seen: Any = None
        self._noted: Answer | None = None
        self._attempts = 0
        self._ended = self._accepted = False
        self._generation = forks.generation()
        self._streaming = self._pieces = False
        self._parser_at_work: Callable[[], bool] | None = None
        self._first_chunk = self._last_chunk = 0.0
        self._told_inside: tuple[tuple[BaseException | None, AuthFailure | None], ...] = ()
        self._session_failure: Callable[[], Failure | None] | None = None
        self.chunks = 0
        self.delegated = False
        self.refusal: tuple[AuthFailure, Failure] | None = None
        runtime.metrics.tried(request.operation)
        self._outer = current_call()
        if self._outer is not None:
            self._outer.delegated = self._outer.adapter.delegates
        self._span = spans.start_call(
            runtime.tracer,
            request.operation,
            request.model,
            (request.host, request.port),
            request.attributes,
        )
        self._result = Result(messages=self._messages())
        self._context = context.set_value(_CALL, self, trace.set_span_in_context(self._span))
        self._started = time.perf_counter()

    def _messages(self) -> Messages | None:
        settings, request = self._runtime.settings, self._request
        wanted = settings.content_in_events or (
            settings.content_on_spans and self._span.is_recording()
        )
        if not wanted or request.body is None:
            return None
        with self._runtime.guard("content"):
            from together_otel.clients.messages import OPERATIONS, Messages  # noqa: PLC0415 - few capture content

            if request.operation in OPERATIONS:
                return Messages(request.operation, request.body)
        return None

    def __enter__(self) -> Call:  # noqa: PYI034 - Self needs 3.11 or another package
        self._token = context.attach(self._context)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        # A coroutine that is collected while it waits is closed in another context, where
        # there is nothing of ours to detach.
        is_ours = not isinstance(exc, GeneratorExit) or context.get_current() is self._context
        if exc is not None:
            self.failed(exc)
        if is_ours:
            context.detach(self._token)

    def attempted(self) -> None:
        """Count one attempt of the SDK at this call."""
        self._attempts += 1
        if self._attempts > 1:
            self._runtime.metrics.retried(self._request.operation)

    def answered(self, response: Any) -> None:
        """Note an HTTP response that the SDK got."""
        self._seen = response

    @contextmanager
    def attempt(self, client: Any, *, last: bool = True) -> Iterator[None]:
        """Note an attempt at a call that lasts beyond it: a session's connection.

        Args:
            client: asked for the key anew: the session may have been given another since.
            last: whether a refusal is the call's own; else it is told here, as the call may
                go on with another key.
        """
        self.attempted()
        self.refusal = None
        with self._runtime.guard("begin"):
            self._key = self.adapter.key(client)
            self._report = self._runtime.keys.of(self._key)
        try:
            yield
        except BaseException as exc:
            if not last:
                self._refused(exc)
            raise
        self.tries_anew()
        with self._runtime.guard("finish"):
            self._accept(self._answer())

    def tries_anew(self) -> None:
        """Forget how parts of the call failed: what they were for is made again, or was."""
        self._told_inside = ()
        self.refusal = None

    def _refused(self, exc: BaseException) -> None:
        with self._runtime.guard("finish"):
            failure = self._located(self.adapter.failure(exc, self._seen, self._key))
            if failure.auth is not None:
                auth = self._diagnosed(failure, failure.auth)
                self._told_inside += ((exc, auth),)
                tell_attempt(self._runtime, self._request, failure.answer, auth, exc)

    def returned(self, value: Any, client: Any = None) -> Any:
        """Finish with what the SDK returned; return what the caller gets."""
        with self._runtime.guard("finish"):
            adapter = self.adapter
            if (stream := adapter.stream_of(value)) is not None:
                self._streaming = True
                opened(self)
                return adapter.with_stream(value, watch(stream, self))
            if (body := adapter.open_body(value)) is not None:
                self._streaming, self._pieces = True, body.in_pieces
                # What was seen is what holds the body: kept, it would never be collected.
                self._noted, self._seen = self._answer(), None
                opened(self)
                body.response.stream = WatchedBody(body.response.stream, self)
                return value
            if (session := adapter.session_of(client, value)) is not None:
                self._keep(session)
                return value
            # The call ends though nobody can read what its body says.
            with self._runtime.guard("finish"):
                adapter.result(value, self._result)
            if (failure := adapter.failure_in(value)) is not None:
                self._fail(failure, None)
            self._end("success")
        self._give_up()
        return value

    def failed(self, exc: BaseException) -> None:
        """Finish with an exception on its way to the caller."""
        with self._runtime.guard("finish"):
            failure = self.adapter.failure(exc, self._seen, self._key)
            if self._streaming and failure.auth is None and failure.answer.status_code is None:
                failure.answer = self._answer()
            self._fail(failure, exc)
        self._give_up()

    def _give_up(self) -> None:
        """End the span of a call that an error of ours keeps from being told."""
        if not self._ended and self._is_ours():
            self._ended = True
            self._span.end()

    def chunk(self, chunk: Any) -> None:
        """Note one chunk of the stream."""
        self._tick()
        # The guard is put up when it is needed: for a chunk it would cost as much as the rest.
        try:
            self.adapter.chunk(chunk, self._result)
            if (failure := self.adapter.failure_in(chunk)) is not None:
                self._fail(failure, None)
            elif not self._accepted:
                self._accept(self._answer())
        except Exception:
            with self._runtime.guard("stream"):
                raise

    def piece(self) -> None:
        """Note one piece of a body that the caller reads by himself."""
        if self._pieces and self._parser_at_work is None:
            self._tick()

    def _tick(self) -> None:
        self._last_chunk = now = time.perf_counter()
        if not self.chunks:
            self._first_chunk = now
        self.chunks += 1

    def parsed(self, value: Any) -> Any:
        """Follow the stream that the SDK made of a body; return what the caller gets."""
        with self._runtime.guard("stream"):
            stream = self.adapter.stream_of(value)
            if stream is not None and not is_watched(stream):
                # Weakly: the generator holds the body, whose end is this call's.
                self._parser_at_work = partial(is_running, weakref.ref(stream))
                return self.adapter.with_stream(value, watch(stream, self))
        return value

    @contextmanager
    def reading(self, response: Any) -> Iterator[None]:
        """Finish with the SDK's reading of a whole body, and with what it says."""
        self._parser_at_work = _always
        try:
            yield
        except BaseException as exc:
            self.failed(exc)
            raise
        with self._runtime.guard("finish"):
            if not self._ended:
                with self._runtime.guard("finish"):
                    self.adapter.result(response, self._result)
                self._end("success")

    def body_ended(self) -> None:
        """Finish a body that was read to its end, unless the SDK is still to say what it means."""
        if self._parser_at_work is None:
            self.exhausted()

    def body_closed(self) -> None:
        """Finish a body that is closed early, unless it is the SDK that closes it at the end."""
        if self._parser_at_work is None or not self._parser_at_work():
            self.abandoned()

    def exhausted(self) -> None:
        """Finish a stream that came to its end."""
        with self._runtime.guard("finish"):
            self._end("success")

    def abandoned(self) -> None:
        """Finish what the caller left early; nothing if it has ended."""
        self._leave("abandoned")

    def closed(self) -> None:
        """Finish a session that its holder closes; nothing if it has ended."""
        self._leave("success")

    def _leave(self, outcome: Outcome) -> None:
        if self._ended:
            return
        with self._runtime.guard("finish"):
            broken = self._session_failure() if self._session_failure is not None else None
            if broken is not None:
                self._fail(broken, None)
            self._end(outcome)

    def event(self, event: Any) -> None:
        """Note an event of a session, which may be its failure."""
        with self._runtime.guard("stream"):
            if (failure := self.adapter.failure_in(event)) is not None:
                self._fail(failure, None)

    def _keep(self, session: Session) -> None:
        """Let the call last as long as a connection does."""
        self._streaming = True
        self._session_failure = session.failure
        # Nothing here may keep the session alive: its collection ends the call.
        self._client = None
        self._accept(self._answer())
        _sessions[session.owner] = self
        opened(self)
        weakref.finalize(session.owner, dropped, self)

    def secrets(self) -> list[str]:
        """Return the client's key, as text."""
        return [] if self._key is None else [text_of(self._key)]

    def _is_ours(self) -> bool:
        """Tell whether this process is to tell the call: a forked child has a mere copy of it."""
        return self._generation == forks.generation()

    def _answer(self) -> Answer:
        if self._noted is not None:
            return self._noted
        return Answer() if self._seen is None else self.adapter.answer(self._seen)

    def _fail(self, failure: Failure, exc: BaseException | None) -> None:
        if self._ended or not self._is_ours():
            return
        told_inside, auth = self._told(exc)
        failure = self._located(failure)
        if failure.auth is not None and not self.delegated and not told_inside:
            auth = self._diagnosed(failure, failure.auth)
        outer = self._outer
        composed = outer is not None and outer.adapter.composed
        if outer is not None and composed and not outer._ended:  # noqa: SLF001 - of this class
            outer._told_inside += ((exc, auth),)  # noqa: SLF001 - of this class
            outer.refusal = self.refusal
        outcome = failure.outcome if auth is None else "auth_failure"
        # What is handed on as data, the call round it is about to raise.
        told = told_inside or (composed and exc is None and auth is None)
        self._end(outcome, failure.answer, auth, exc, error_told=told)

    def _told(self, exc: BaseException | None) -> tuple[bool, AuthFailure | None]:
        """Tell whether a part of this call has told of an exception, and as what failure."""
        if not self._told_inside:
            return False, None
        links = [] if exc is None else list(chain(exc))
        for told, auth in self._told_inside:
            # 1.x hands a refusal on as data, of which its upload then raises an error of its own.
            if (links and auth is not None) if told is None else any(one is told for one in links):
                return True, auth
        return False, None

    def _located(self, failure: Failure) -> Failure:
        if failure.answer.host is None:
            failure.answer.host, failure.answer.port = self._request.host, self._request.port
        return failure

    def _diagnosed(self, failure: Failure, kind: AuthKind) -> AuthFailure:
        auth = self._runtime.refused(
            kind,
            self._key,
            self._report,
            failure.answer,
            override=self.adapter.override(self._client, self._request, failure.answer),
            sent=failure.sent,
            together_error=failure.together_error,
            code=failure.code,
        )
        self.refusal = auth, failure
        return auth

    def _end(
        self,
        outcome: Outcome,
        answer: Answer | None = None,
        auth: AuthFailure | None = None,
        exc: BaseException | None = None,
        *,
        error_told: bool = False,
    ) -> None:
        if self._ended:
            return
        self._ended = True
        if not self._is_ours():
            return
        self._told_inside = ()
        elapsed = time.perf_counter() - self._started
        try:
            if self.delegated:
                return
            runtime = self._runtime
            ending = Ending(outcome, answer or self._answer(), elapsed, auth=auth, exc=exc)
            ending.error_told = error_told
            if self.chunks:
                ending.first_chunk = self._first_chunk - self._started
            if self.chunks > 1:
                ending.per_chunk = (self._last_chunk - self._first_chunk) / (self.chunks - 1)
            if self._attempts:
                ending.answer.resends = self._attempts - 1
            elif ending.answer.resends:
                runtime.metrics.retried(self._request.operation, ending.answer.resends)
            # Each for itself: a failure is told though it could not be measured.
            with runtime.guard("finish"):
                tell(runtime, self._span, self._key, self._request, self._result, ending)
            with runtime.guard("finish"):
                measure(runtime, self._context, self._request, self._result, ending)
            if outcome in NO_FAILURE and not self._accepted:
                self._accept(ending.answer)
        finally:
            self._span.end()
            # It holds this call: a circle that only the garbage collector would undo.
            self._context = _ENDED

    def _accept(self, answer: Answer) -> None:
        self._accepted = True
        authorization = answer.authorization
        if authorization is None and (self._seen is not None or self._noted is not None):
            return
        report = self._report
        if authorization is not None and authorization != f"Bearer {self._key}":
            report = self._runtime.keys.of(authorization.removeprefix("Bearer "), "header")
        self._runtime.accepted(report)
