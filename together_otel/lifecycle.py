"""One call: begun once, finished once, whether sync, async or streamed.

`begin` gives a context manager that makes the span current while the SDK works.
`Call.returned` finishes the call, or hands a stream on that will.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace

from together_otel import attributes, names
from together_otel.keys import public_name, redact_exception, text_of
from together_otel.sdk.calls import Answer, Result
from together_otel.streams import WatchedBody, settle, watch
from together_otel.telemetry import events, spans

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from together_otel.names import Outcome
    from together_otel.runtime import AuthFailure, Runtime
    from together_otel.sdk.calls import Adapter, Failure

_CALL = context.create_key("together_otel-call")
_NO_FAILURE = ("success", "abandoned")


def current_call() -> Call | None:
    """Return the call that the SDK is working on in this context, if any."""
    call = context.get_value(_CALL)
    return call if isinstance(call, Call) else None


class Untold:
    """Stands in for a call that could not be begun: passes everything through."""

    def __enter__(self) -> Untold:  # noqa: PYI034 - Self needs 3.11 or another package
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def answered(self, _response: Any) -> None:
        """Do nothing."""

    def returned(self, value: Any) -> Any:
        """Return ``value``."""
        return value


UNTOLD = Untold()


def begin(
    runtime: Runtime,
    adapter: Adapter,
    client: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Call | Untold:
    """Begin the telemetry of a call that is about to be made."""
    settle()
    with runtime.guard("begin"):
        return Call(runtime, adapter, client, args, kwargs)
    return UNTOLD


class Call:
    """The telemetry of one call."""

    __slots__ = (
        "__weakref__",
        "_adapter",
        "_attempts",
        "_context",
        "_ended",
        "_first_chunk",
        "_key",
        "_last_chunk",
        "_override",
        "_report",
        "_request",
        "_result",
        "_runtime",
        "_seen",
        "_span",
        "_started",
        "_streaming",
        "_token",
        "chunks",
        "delegated",
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
        self._adapter = adapter
        self._request = request = adapter.request(client, args, kwargs)
        self._key = adapter.key(client)
        self._override = (adapter.override, client, args, kwargs)
        self._report = runtime.keys.of(self._key)
        self._seen: Any = None
        self._attempts = 0
        self._ended = False
        self._streaming = False
        self._first_chunk = self._last_chunk = 0.0
        self._result: Result = Result()
        self.chunks = 0
        self.delegated = False
        runtime.metrics.tried(request.operation)
        outer = current_call()
        if outer is not None:
            outer.delegate()
        self._span = spans.start_call(
            runtime.tracer,
            request.operation,
            request.model,
            (request.host, request.port),
            request.attributes,
        )
        self._context = context.set_value(_CALL, self, trace.set_span_in_context(self._span))
        self._started = time.perf_counter()

    def __enter__(self) -> Call:  # noqa: PYI034 - Self needs 3.11 or another package
        self._token = context.attach(self._context)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        exc: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if exc is not None:
            self.failed(exc)
        # A coroutine that is collected while it waits is closed in another context, where
        # there is nothing of ours to detach.
        if not isinstance(exc, GeneratorExit) or context.get_current() is self._context:
            context.detach(self._token)

    def delegate(self) -> None:
        """Leave the telling to an inner call, if this one is a wrapper's."""
        self.delegated = self._adapter.delegates

    def attempted(self) -> None:
        """Count one attempt of the SDK at this call."""
        self._attempts += 1

    def answered(self, response: Any) -> None:
        """Note an HTTP response that the SDK got."""
        self._seen = response

    def returned(self, value: Any) -> Any:
        """Finish with what the SDK returned; return what the caller gets."""
        with self._runtime.guard("finish"):
            stream = self._adapter.stream_of(value)
            if stream is not None:
                self._streaming = True
                return self._adapter.with_stream(value, watch(stream, self))
            if (response := self._adapter.open_body(value)) is not None:
                self._streaming = True
                response.stream = WatchedBody(response.stream, self)
                return value
            self._adapter.result(value, self._result)
            if (failure := self._adapter.failure_in(value)) is not None:
                self._fail(failure, None)
            self._end("success")
        return value

    def failed(self, exc: BaseException) -> None:
        """Finish with an exception on its way to the caller."""
        with self._runtime.guard("finish"):
            failure = self._adapter.failure(exc, self._seen, self._key)
            if self._streaming and failure.auth is None and failure.answer.status_code is None:
                failure.answer = self._answer()
            self._fail(failure, exc)

    def chunk(self, chunk: Any) -> None:
        """Note one chunk of the stream."""
        now = time.perf_counter()
        if not self.chunks:
            self._first_chunk = now
        self._last_chunk = now
        self.chunks += 1
        with self._runtime.guard("stream"):
            self._adapter.result(chunk, self._result)
            if (failure := self._adapter.failure_in(chunk)) is not None:
                self._fail(failure, None)

    def exhausted(self) -> None:
        """Finish a stream that came to its end."""
        with self._runtime.guard("finish"):
            self._end("success")

    def abandoned(self) -> None:
        """Finish a stream that the caller left early; nothing if it has ended."""
        if not self._ended:
            with self._runtime.guard("finish"):
                self._end("abandoned")

    def _answer(self) -> Answer:
        if self._seen is None:
            return Answer()
        return self._adapter.answer(self._seen)

    def _fail(self, failure: Failure, exc: BaseException | None) -> None:
        auth = None
        if failure.answer.host is None:
            failure.answer.host, failure.answer.port = self._request.host, self._request.port
        if failure.auth is not None and not self.delegated and not self._ended:
            method, *arguments = self._override
            auth = self._runtime.refused(
                failure.auth,
                self._key,
                self._report,
                failure.answer,
                override=method(*arguments),
                sent=failure.sent,
                together_error=failure.together_error,
            )
        self._end(failure.outcome, failure.answer, auth, exc)

    def _end(
        self,
        outcome: Outcome,
        answer: Answer | None = None,
        auth: AuthFailure | None = None,
        exc: BaseException | None = None,
    ) -> None:
        if self._ended:
            return
        self._ended = True
        elapsed = time.perf_counter() - self._started
        try:
            if self.delegated:
                return
            if answer is None:
                answer = self._answer()
            if self._attempts > 1:
                answer.resends = self._attempts - 1
            # Each for itself: a failure is told though it could not be measured.
            with self._runtime.guard("finish"):
                self._tell(outcome, answer, auth, exc)
            with self._runtime.guard("finish"):
                self._measure(outcome, answer, elapsed, exc)
            if outcome in _NO_FAILURE:
                self._accept(answer)
        finally:
            self._span.end()

    def _accept(self, answer: Answer) -> None:
        authorization = answer.authorization
        if authorization is None and self._seen is not None:
            return
        report = self._report
        if authorization is not None and authorization != f"Bearer {self._key}":
            report = self._runtime.keys.of(authorization.removeprefix("Bearer "), "header")
        self._runtime.accepted(report)

    def _measure(
        self, outcome: Outcome, answer: Answer, elapsed: float, exc: BaseException | None
    ) -> None:
        metrics, result = self._runtime.metrics, self._result
        metrics.finished(self._request.operation, outcome, answer.resends)
        labels = attributes.labels(self._request, answer, result, metrics.model)
        if outcome not in _NO_FAILURE:
            labels[names.ERROR_TYPE] = public_name(type(exc)) if exc is not None else outcome
        metrics.record(names.DURATION, elapsed, labels)
        if result.usage is not None:
            metrics.tokens("input", result.usage.input_tokens, labels)
            metrics.tokens("output", result.usage.output_tokens, labels)
        if self.chunks:
            metrics.record(names.TIME_TO_FIRST_CHUNK, self._first_chunk - self._started, labels)
        if self.chunks > 1:
            mean = (self._last_chunk - self._first_chunk) / (self.chunks - 1)
            metrics.record(names.TIME_PER_OUTPUT_CHUNK, mean, labels)

    def _tell(
        self,
        outcome: Outcome,
        answer: Answer,
        auth: AuthFailure | None,
        exc: BaseException | None,
    ) -> None:
        span = self._span
        failed = outcome not in _NO_FAILURE
        if not failed and not span.is_recording():
            return
        details = attributes.of_answer(self._request, answer)
        if span.is_recording():
            first_chunk = self._first_chunk - self._started if self.chunks else None
            span.set_attribute(names.REQUEST_OUTCOME, outcome)
            span.set_attributes(
                {**details, **attributes.of_result(self._result, answer, first_chunk)}
            )
            if auth is not None:
                span.set_attributes(auth.attributes())
        if failed:
            self._tell_failure(outcome, answer, auth, exc, details)

    def _tell_failure(
        self,
        outcome: Outcome,
        answer: Answer,
        auth: AuthFailure | None,
        exc: BaseException | None,
        details: dict[str, Any],
    ) -> None:
        span = self._span
        # The text of an error may repeat any key that was involved.
        secrets = [
            "" if self._key is None else text_of(self._key),
            (answer.authorization or "").removeprefix("Bearer "),
        ]
        told = redact_exception(exc, secrets) if exc is not None else None
        if told is not None:
            spans.fail(span, told)
        else:
            span.set_attribute(names.ERROR_TYPE, outcome)
            span.set_status(trace.Status(trace.StatusCode.ERROR, outcome))
        details[names.OPERATION] = self._request.operation
        if self._request.model is not None:
            details[names.REQUEST_MODEL] = self._request.model
        details[names.ERROR_TYPE] = told.type if told is not None else outcome
        with trace.use_span(span, end_on_exit=False, record_exception=False):
            if auth is not None:
                self._runtime.auth_failed(auth, details)
            elif told is not None and outcome != "cancelled":
                details[names.REQUEST_OUTCOME] = outcome
                details[names.EXCEPTION_MESSAGE] = told.message
                events.emit(names.OPERATION_EXCEPTION, logging.WARNING, details)
