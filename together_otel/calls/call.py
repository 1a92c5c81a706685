"""The life of one call, which begins once and ends once.

If the SDK returns a stream, a body that the caller reads, or a session, that one ends the call.
Longer than 300 lines, because separate modules for begin and end would import each other.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace

from together_otel import forks, names
from together_otel.auth.runtime import AuthFailure, Runtime
from together_otel.calls.active import current_context, value_here, within
from together_otel.calls.interrupts import cut
from together_otel.calls.open_calls import dropped
from together_otel.calls.reporting import Ending, report, report_answer, report_attempt
from together_otel.calls.state import CallState, Reported
from together_otel.clients.base import (
    Adapter,
    Answer,
    AuthKind,
    Failure,
    Request,
    Result,
    blank,
)
from together_otel.clients.error_types import error_type
from together_otel.clients.failures import is_redirect
from together_otel.clients.sent import secrets_in_traceback
from together_otel.keys import is_sign_in, known_keys, redact, redact_exception, text_of
from together_otel.plain import clocks
from together_otel.telemetry import spans
from together_otel.telemetry.redacting_processor import CALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from together_otel.calls.arguments import Arguments
    from together_otel.calls.state import Refusal, Timing
    from together_otel.clients.messages import Messages
    from together_otel.keys import KnownKeys
    from together_otel.keys.reader import Reader
    from together_otel.names import Outcome, RecoveryOutcome
    from together_otel.telemetry.metrics import Recorder

(_SPAN,) = trace.set_span_in_context(trace.INVALID_SPAN, context.Context())
"""OpenTelemetry's context key of the current span."""
ENDED = context.Context()
_UNKNOWN, _NO_KEYS = Request(names.OTHER), known_keys(())

current_call: Callable[[], Any] = partial(value_here, CALL)
"""Returns the call in progress in this context, a `Call` or an `IdleCall`, or ``None``."""


class Call(CallState):
    """Telemetry of one call. Never raises. Only the first attempt to end it has an effect."""

    __slots__ = (
        "_attempts",
        "_generation",
        "_given",
        "_has_inner",
        "_parent",
        "_refusal",
        "_shared",
    )

    # Repeated from CallState for type checkers that infer types from a subclass's assignments.
    adapter: Adapter
    before: Context
    context: Context
    ended: bool
    held_log: list[tuple[AuthFailure, dict[str, Any]]] | None
    is_beside: bool
    is_recording: bool
    reader: Reader
    recorder: Recorder | None
    request: Request
    result: Result
    runtime: Runtime
    secrets: KnownKeys
    span: trace.Span
    span_context: trace.SpanContext
    started: float
    timing: Timing | None

    def __init__(  # noqa: C901 - one function, see below
        self,
        runtime: Runtime,
        adapter: Adapter,
        arguments: Arguments,
        before: Context,
        first: Call | None = None,
    ) -> None:
        # Defaults, in case the step that finds a value fails. All steps are in one function:
        # entering another one takes a microsecond of the hundred that a call costs.
        self.runtime, self.adapter, self.before = runtime, adapter, before
        self.reader, self.request = adapter.reader, _UNKNOWN
        self.result = result = blank(Result)
        self.span, self.span_context = trace.INVALID_SPAN, trace.INVALID_SPAN_CONTEXT
        self.recorder = self.timing = self.held_log = None
        self.ended = self.is_recording = self.is_beside = self._is_accepted = False
        (self._client,), self._given = arguments.client, arguments.args
        self._key = self._seen = self._noted = None
        self._further = ()
        self._report, self.secrets = runtime.unknown_key, _NO_KEYS
        self._attempts, self._has_inner, self._generation = 0, False, forks.generation
        self._refusal: Refusal | None = None
        self._parent: Call | None = None
        self._shared: Reported | None = None
        if first is not None:
            self._key, self._further = first._key, first._further  # noqa: SLF001 - same class
        parent = before.get(CALL)
        if parent is not None and isinstance(parent, Call) and not parent.ended:
            self._begin_inside(parent)
            if self.ended:
                return
        # Separate guards, so that one step's failure does not affect the others.
        try:
            self._look_at_key()
        except Exception:  # noqa: BLE001 - must not reach the application, as below
            runtime.guard("begin").swallow()
        try:
            self.request = request = adapter.request(self._client, arguments.args, arguments.kwargs)
            if request.further_keys:
                self.involves(*request.further_keys)
            self.recorder = runtime.metrics.recorder(
                request.operation, request.model, request.host, request.port, self.secrets
            )
        except Exception:  # noqa: BLE001
            runtime.guard("begin").swallow()
        try:
            tracer, library, around = (
                runtime.tracer,
                self.reader.library,
                before.get(_SPAN),
            )
            if around is not None and spans.is_of_another(around, self.request.operation):
                self.is_beside = True
                span = spans.start_beside(tracer, library, before)
            else:
                span = spans.start_call(tracer, self.request, library, self.secrets, before)
            # Asked only once. A span that raises here is not used.
            is_recording, span_context = span.is_recording(), span.get_span_context()
            if isinstance(span_context, trace.SpanContext):
                self.span, self.span_context, self.is_recording = span, span_context, is_recording
            settings = runtime.settings
            if settings.content_in_events or settings.content_on_spans:
                result.messages = self._messages()
        except Exception:  # noqa: BLE001
            runtime.guard("begin").swallow()
        self.context = context.Context({**before, CALL: self, _SPAN: self.span})
        self.started = clocks.perf_counter()

    def _begin_inside(self, parent: Call) -> None:
        is_same = parent.adapter is self.adapter and parent._client is self._client
        is_same = is_same and all(map(is_, parent._given, self._given))
        if is_same and not self.adapter.delegates:
            # Another library's patch has kept an earlier patch of ours in place.
            self.ended = self._is_accepted = True
            self.context = self.before
            return
        self._parent, self._shared = parent, parent._reported
        parent._has_inner = True

    def _look_at_key(self) -> None:
        # The server may still repeat the previous key.
        before = () if self._key is None else (text_of(self._key),)
        adapter, client = self.adapter, self._client
        self.reader, self._key = adapter.reader_of(client), adapter.key(client)
        self._report, self.secrets = self.runtime.keys.look(self._key, self.reader)
        if not isinstance(self._key, str) and self._report.usable:
            self._key = None  # the application may compute its text, which the header shows as sent
        if before or self._further:
            self.involves(*before)
        del before

    def _messages(self) -> Messages | None:
        settings, request = self.runtime.settings, self.request
        wanted = settings.content_in_events or (settings.content_on_spans and self.is_recording)
        if not wanted or request.body is None:
            return None
        from together_otel.clients.messages import OPERATIONS, Messages  # noqa: PLC0415 - content is rarely captured

        if request.operation not in OPERATIONS:
            return None
        return Messages(request.operation, request.body)

    # ── while the SDK runs ───────────────────────────────────────────────────────────

    def attempted(self) -> None:
        """Count an attempt of the SDK; each one after the first is a retry."""
        self._attempts += 1
        if self._attempts > 1:
            try:
                if self.recorder is not None:
                    self.recorder.retried()
            except Exception:  # noqa: BLE001 - must not reach the application
                self.runtime.guard("finish").swallow()

    def uses_key_of(self, client: Any) -> None:
        """Read the key again, because the client of a session may have another one."""
        self._client, self._refusal = client, None
        try:
            self._look_at_key()
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("begin").swallow()

    def begins_anew(self) -> None:
        """Forget the failures of parts of the call, which are retried or have succeeded since."""
        self._reported.failures.clear()
        self._refusal = None

    # ── end ──────────────────────────────────────────────────────────────────────────

    def succeed(self, held: Arguments | None = None) -> None:
        """End with a response; a value that is held is a complete one and is still to be read."""
        if self.ended:
            return
        result, adapter = self.result, self.adapter
        if held is not None and held.value is not None:
            if isinstance(held.value, str) and is_sign_in(None, body=held.value):
                self._is_accepted = True  # a proxy's page with status 200 accepts no key
            failure = None
            try:
                adapter.result(held.value, result)
                failure = adapter.failure_in(held.value, self._seen)
            except Exception:  # noqa: BLE001 - the call ends even if its response cannot be read
                self.runtime.guard("finish").swallow()
            if failure is not None:
                self.fail_with(failure)
                return
        is_ordinary = self.timing is None and result.messages is None and not self._attempts
        if not is_ordinary or adapter.delegates:
            self._end("success")
            return
        self.ended = True
        if self._generation == forks.generation:
            elapsed = clocks.perf_counter() - self.started
            try:
                report_answer(self, self.answer(), elapsed)
            except BaseException:  # an interrupt
                self.close()
                raise
            self._let_go()

    def fail(self, exc: BaseException | None = None) -> None:
        """End with an exception, by default the one being handled."""
        if type(sys.exc_info()[1] if exc is None else exc) is GeneratorExit:
            # A coroutine is closed while it waits, perhaps in a garbage collection.
            self.release()
            dropped.put((self, clocks.perf_counter()))
            return
        try:
            # No frame here may hold the exception while something is logged: it may show the key.
            ending = self._ending_of_exception([sys.exc_info()[1] if exc is None else exc])
            exc = None
            if ending is not None:
                self._end(ending.outcome, ending)
        except BaseException:
            self.leave("cancelled")  # an interrupt came before the end
            raise

    def fail_with(self, failure: Failure, at: float | None = None) -> None:
        """End with a failure that the SDK returns as data, at a time as in `leave`."""
        if not self.ended and self._is_ours():
            said, answer = failure.answer, self.answer()
            if said.status_code is None and answer.status_code is not None:
                # An event or a document is part of an answer, and does not repeat its headers.
                failure.answer, failure.sent = replace(answer, sign_in=said.sign_in), True
                failure.answer.from_together = said.from_together
            ending = self._ending_of(failure, None)
            self._end(ending.outcome, ending, at)

    def _ending_of_exception(self, held: list[BaseException | None]) -> Ending | None:
        """Return the ending for the exception in a list, or ``None`` if the call has ended."""
        exc = held.pop()
        if exc is None or self.ended or not self._is_ours():
            self.ended = True
            return None
        try:
            failure = self.adapter.failure(exc, self._seen, self._key)
            if not failure.sent:
                self.involves(*secrets_in_traceback(exc))
            # The exception that broke a stream says little about its response.
            if self.timing is not None and not failure.auth and failure.answer.status_code is None:
                failure.answer = self.answer()
        except Exception:  # noqa: BLE001 - must not reach the application
            failure = Failure("client_error", Answer())
            self.runtime.guard("finish").swallow()
        return self._ending_of(failure, exc)

    def _ending_of(self, failure: Failure, exc: BaseException | None) -> Ending:
        try:
            return self._explained(failure, exc)
        except Exception:  # noqa: BLE001 - must not reach the application: foreign code may run
            self.runtime.guard("finish").swallow()
            return Ending(failure.outcome, failure.answer, error_type=failure.outcome)

    def _explained(self, failure: Failure, exc: BaseException | None) -> Ending:
        reported, refusal = self._reported.find(exc)
        auth = None if refusal is None else refusal[0]
        self._locate(failure)
        if failure.auth is not None and not reported and not self.is_delegated():
            auth = self._diagnose(failure, failure.auth)
        is_part = self._parent is not None and self._parent.adapter.composed
        if is_part and is_redirect(failure.answer.status_code):
            failure.outcome = "success"  # an upload begins with a redirect to the file's place
        if is_part:
            self._reported.failures.append((exc, self._refusal))
            # The outer call is about to raise what this one returns as data.
            reported = reported or (exc is None and auth is None)
        outcome = failure.outcome if auth is None else "auth_failure"
        ending = Ending(outcome, failure.answer, auth=auth, is_reported=reported)
        if outcome not in names.NO_FAILURE:
            ending.error_type = outcome
            try:
                if exc is not None:
                    ending.error_type = error_type(exc)
                    if self.is_recording or not reported:
                        ending.exception = redact_exception(exc, self.secrets)
            except Exception:  # noqa: BLE001 - must not reach the application
                self.runtime.guard("finish").swallow()
        return ending

    def log_held(self, recovered: RecoveryOutcome | None = None) -> None:
        """Log the refusals that waited for a recovery, with its outcome."""
        held, self.held_log = self.held_log or (), None
        for auth, details in held:
            try:
                suppressed = self.runtime.auth_failure_held_back(auth)
                with within(self.runtime, trace.set_span_in_context(self.span, current_context())):
                    self.runtime.log_auth_failure(auth, details, suppressed, recovered)
            except Exception:  # noqa: BLE001 - must not reach the application
                self.runtime.guard("log").swallow()

    def close(self) -> None:
        """End what an interrupt kept from ending, when its exception passes to the application.

        A coroutine that is closed while it waits was noted as dropped, and is ended later.
        """
        if self._is_ours() and type(sys.exc_info()[1]) is not GeneratorExit:
            self.leave("cancelled")
            with self.runtime.guard("finish"):
                if self.is_recording and self.span.is_recording():
                    self.span.end()

    def abandoned(self, at: float | None = None) -> None:
        """End a call whose coroutine was closed."""
        self._end("cancelled", Ending("cancelled", self.answer(), error_type="GeneratorExit"), at)

    def leave(self, outcome: Outcome, at: float | None = None) -> None:
        """End a call that the caller left early or closed; do nothing if it has ended.

        Args:
            outcome: the outcome to report.
            at: time of the end in ``time.perf_counter`` seconds; now by default.
        """
        self._end(outcome, at=at)

    def _end(self, outcome: Outcome, ending: Ending | None = None, at: float | None = None) -> None:
        if self.ended:
            return
        self.ended = True
        if self._generation != forks.generation:
            return  # a forked child only has a copy of the call
        if ending is None:
            ending = Ending(outcome, self.answer())
        now = clocks.perf_counter()
        ending.elapsed = (now if at is None else at) - self.started
        ending.ago = 0.0 if at is None else now - at
        if self._attempts:
            ending.answer.resends = self._attempts - 1
        if self.adapter.delegates and self.is_delegated():
            with self.runtime.guard("finish"):
                self.span.end()
        else:
            ending.counts_retries = not self._attempts
            report(self, ending)
        self._let_go()

    def _let_go(self) -> None:
        if self._parent is None and self._shared is not None:
            self._shared.failures.clear()
        # Breaks reference cycles, which only a garbage collection would free.
        self.context = ENDED
        self._client = self._seen = None
        self._given = ()

    # ── for streams, bodies and sessions ─────────────────────────────────────────────

    def chunk(self, chunk: Any) -> None:
        """Record the contents of a chunk."""
        try:
            self.adapter.chunk(chunk, self.result)
            if (failure := self.adapter.failure_in(chunk)) is not None:
                self.fail_with(failure)
            # An in-house client may yield items before any response.
            elif not self.adapter.delegates:
                self.accepted(self.answer())
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("stream").swallow()
        except BaseException as exc:
            cut(exc)
            raise

    def event(self, event: Any) -> None:
        """Record an event of a session, which may be its failure."""
        try:
            if (failure := self.adapter.failure_in(event)) is not None:
                self.fail_with(failure)
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("stream").swallow()

    def note_answer(self) -> None:
        """Keep the description of the HTTP response in place of the response."""
        self._noted, self._seen = self.answer(), None

    def release(self) -> None:
        """Release the client and its response: what had them was collected, and the call waits."""
        self._client = self._seen = None

    def forget_client(self) -> None:
        """Drop the reference to the client, which would keep the client's session alive."""
        self._client = None

    def accepted_attempt(self) -> None:
        """Record that another attempt at the call was accepted."""
        self.begins_anew()
        self._is_accepted = False
        try:
            self.accepted(self.answer())
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("finish").swallow()

    def refused_attempt(self) -> None:
        """Report the attempt whose exception is being handled; the call itself may continue."""
        found = sys.exc_info()[1]
        if found is None:
            return
        try:
            failure = self.adapter.failure(found, self._seen, self._key)
            self._locate(failure)
            if failure.auth is None:
                return
            auth = self._diagnose(failure, failure.auth)
            self._reported.failures.append((found, self._refusal))
            ending = Ending("auth_failure", failure.answer, auth=auth, error_type=error_type(found))
            ending.exception = redact_exception(found, self.secrets)
            del found
            report_attempt(self, ending)
        except Exception:  # noqa: BLE001 - must not reach the application
            self.runtime.guard("finish").swallow()

    @property
    def refusal(self) -> Refusal | None:
        """The diagnosis and failure of a refused key, of this call or of a part of it."""
        parts = [refusal for _, refusal in self._reported.failures if refusal is not None]
        return self._refusal or (parts[-1] if parts and self.adapter.composed else None)

    def is_delegated(self) -> bool:
        """Return whether a nested call of another client is reported instead of this one."""
        return self.adapter.delegates and self._has_inner

    # ── internal ─────────────────────────────────────────────────────────────────────

    def _is_ours(self) -> bool:
        """Return whether this process reports the call: a forked child only has a copy."""
        return self._generation == forks.generation

    @property
    def _reported(self) -> Reported:
        """Failures that this call and its nested calls have reported; created when first used."""
        if self._shared is None:
            self._shared = Reported()
        return self._shared

    def _override(self, answer: Answer) -> str | None:
        if self._client is None:
            return self.request.override
        return self.adapter.override(self._client, self.request, answer)

    def _locate(self, failure: Failure) -> None:
        """Record the server of a failed request and the key that was sent."""
        if failure.answer.host is None:
            failure.answer.host, failure.answer.port = self.request.host, self.request.port
        try:
            self.notice_sent(failure.answer)
        except Exception:  # noqa: BLE001 - must not reach the application: it reads the client's key
            self.runtime.guard("finish").swallow()

    def _diagnose(self, failure: Failure, kind: AuthKind) -> AuthFailure:
        try:
            auth = self.runtime.refused(
                kind,
                self._key,
                self._report,
                failure,
                self._override,
                self.reader,
                # Not in a variable while something is logged: the repr of 1.x shows the key.
                None if self._client is None else self.adapter.shared(self._client),
            )
            # It names hosts, which may contain anything.
            remedy = redact(auth.diagnosis.remedy, self.secrets)
            if remedy != auth.diagnosis.remedy:
                auth = AuthFailure(auth.report, replace(auth.diagnosis, remedy=remedy))
        except Exception:  # noqa: BLE001 - a failure is counted even without a diagnosis
            auth = self.runtime.unexplained(self._report)
            self.runtime.guard("finish").swallow()
        self._refusal = auth, failure
        return auth
