"""How a call that has ended is told: its span, its metrics, its log events."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel import names
from together_otel.clients.base import Usage
from together_otel.clients.error_types import error_type
from together_otel.keys import redact_exception, text_of
from together_otel.telemetry import attributes, content, events, spans
from together_otel.telemetry.metrics import Measured

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context

    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.clients.base import Answer, Request, Result
    from together_otel.clients.messages import Messages
    from together_otel.keys import RedactedException
    from together_otel.names import Outcome

NO_FAILURE = ("success", "abandoned")


@dataclass(slots=True)
class Ending:
    """How a call ended; times are in seconds.

    ``error_told`` says that a call inside this one has told of the same exception.
    """

    outcome: Outcome
    answer: Answer
    elapsed: float
    first_chunk: float | None = None
    per_chunk: float | None = None
    auth: AuthFailure | None = None
    exc: BaseException | None = None
    error_told: bool = False
    error_type: str | None = field(init=False, default=None)
    """The ``error.type`` of a failure: of the exception, or the outcome where there is none."""

    def __post_init__(self) -> None:
        """Find the type of the error, if there is one to tell of."""
        if self.outcome not in NO_FAILURE:
            self.error_type = self.outcome if self.exc is None else error_type(self.exc)


def measure(
    runtime: Runtime, found: Context, request: Request, result: Result, ending: Ending
) -> None:
    """Record a call's metrics; ``found`` is the context of its span."""
    usage = result.usage or Usage()
    measured = Measured(
        ending.outcome,
        ending.elapsed,
        ending.error_type,
        result.model,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        ending.first_chunk,
        ending.per_chunk,
        result.finish_reasons,
        trace.get_current_span(found).get_span_context(),
    )
    host, port = attributes.server(request, ending.answer)
    recorder = runtime.metrics.recorder(request.operation, request.model, host, port)
    recorder.record(measured)


def tell(
    runtime: Runtime,
    span: trace.Span,
    key: object,
    request: Request,
    result: Result,
    ending: Ending,
) -> None:
    """Finish a call's span, and log what is to be logged in its context.

    Args:
        runtime: whose telemetry it is.
        span: the call's span; it is not ended.
        key: the client's key, to be kept out of everything.
        request: what was asked.
        result: what the answer's body said.
        ending: how it ended.
    """
    recording = span.is_recording()
    failed = ending.error_type is not None
    if not (recording or failed or result.messages is not None):
        return
    said: dict[str, list[Any]] = {}
    if result.messages is not None:
        with runtime.guard("content"):
            said = _said(result.messages, _secrets(key, ending.answer))
    # Of an exception that is the key's, the log tells the cause and not the text.
    told = None
    if ending.exc is not None and (recording or ending.auth is None):
        secrets = _secrets(key, ending.answer)
        told = redact_exception(ending.exc, secrets, with_stacktrace=recording)
    if recording:
        found = _found(request, result, ending)
        if said and runtime.settings.content_on_spans:
            found |= content.as_json(said)
        span.set_attributes(found)
        if failed:
            _fail(span, ending, told)
    in_events = result.messages is not None and runtime.settings.content_in_events
    if failed or in_events:
        with nullcontext() if trace.get_current_span() is span else _current(span):
            _log(runtime, request, result, ending, told, said if in_events else None)


def _secrets(key: object, answer: Answer) -> Collection[str]:
    """Return the keys that were involved: an error's text may repeat any, and so may a message."""
    own = "" if key is None else text_of(key)
    sent = (answer.authorization or "").removeprefix("Bearer ")
    return (own,) if sent == own else (own, sent)


def _found(request: Request, result: Result, ending: Ending) -> dict[str, Any]:
    """Return what the span does not say from its start."""
    answer = ending.answer
    server = attributes.server(request, answer)
    news = (None, None) if server == (request.host, request.port) else server
    found = {
        names.REQUEST_OUTCOME: ending.outcome,
        **attributes.of_answer(answer, news),
        **attributes.of_result(result, answer, ending.first_chunk),
    }
    if ending.error_type is not None:
        found[names.ERROR_TYPE] = ending.error_type
    if ending.auth is not None:
        found |= ending.auth.attributes()
    return found


def _current(span: trace.Span) -> AbstractContextManager[object]:
    return trace.use_span(span, end_on_exit=False, record_exception=False)


def _log(
    runtime: Runtime,
    request: Request,
    result: Result,
    ending: Ending,
    told: RedactedException | None,
    said: dict[str, list[Any]] | None,
) -> None:
    """Log a failure, and what was ``said`` unless that is ``None``."""
    details = _details(request, ending.answer)
    if ending.error_type is not None:
        details[names.ERROR_TYPE] = ending.error_type
        _log_failure(runtime, ending, told, details)
    if said is not None:
        details |= {names.PROVIDER_NAME: names.PROVIDER, **request.attributes}
        details |= attributes.of_result(result, ending.answer, ending.first_chunk)
        events.emit(names.OPERATION_DETAILS, logging.INFO, details, said)


def tell_attempt(
    runtime: Runtime, request: Request, answer: Answer, auth: AuthFailure, exc: BaseException
) -> None:
    """Tell of an attempt whose key was refused, in the middle of a call that may go on."""
    details = _details(request, answer)
    runtime.auth_failed(auth, {**details, names.ERROR_TYPE: error_type(exc)})


def _details(request: Request, answer: Answer) -> dict[str, Any]:
    """Return what log events say of every call."""
    details = attributes.of_answer(answer, attributes.server(request, answer))
    details[names.OPERATION] = request.operation
    if request.model is not None:
        details[names.REQUEST_MODEL] = request.model
    return details


def _said(messages: Messages, secrets: Collection[str]) -> dict[str, list[Any]]:
    return content.fit(
        {
            names.SYSTEM_INSTRUCTIONS: messages.instructions,
            names.INPUT_MESSAGES: messages.inputs,
            names.OUTPUT_MESSAGES: messages.outputs(),
            names.TOOL_DEFINITIONS: messages.tools,
        },
        secrets,
    )


def _fail(span: trace.Span, ending: Ending, told: RedactedException | None) -> None:
    if told is not None:
        spans.fail(span, told)
    else:
        span.set_status(trace.Status(trace.StatusCode.ERROR, ending.outcome))


def _log_failure(
    runtime: Runtime, ending: Ending, told: RedactedException | None, details: dict[str, Any]
) -> None:
    if ending.error_told:
        return
    if ending.auth is not None:
        runtime.auth_failed(ending.auth, details)
    elif ending.outcome != "cancelled":
        fields = {**details, names.REQUEST_OUTCOME: ending.outcome}
        if told is not None:
            fields |= {names.EXCEPTION_TYPE: told.type, names.EXCEPTION_MESSAGE: told.message}
        events.emit(names.OPERATION_EXCEPTION, logging.WARNING, fields)
