"""How a call that has ended is told: its span, its metrics, its log events."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel import attributes, names
from together_otel.keys import redact_exception, text_of
from together_otel.sdk.error_types import error_type
from together_otel.telemetry import content, events, spans

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from together_otel.keys import RedactedException
    from together_otel.names import Outcome
    from together_otel.runtime import AuthFailure, Runtime
    from together_otel.sdk.calls import Answer, Request, Result

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

    @property
    def failed(self) -> bool:
        """Whether there is an error to tell of."""
        return self.outcome not in NO_FAILURE

    @property
    def error_type(self) -> str:
        """The ``error.type``: of the exception, or the outcome where there is none."""
        return self.outcome if self.exc is None else error_type(self.exc)


def measure(
    runtime: Runtime, found: Context, request: Request, result: Result, ending: Ending
) -> None:
    """Record a call's metrics; ``found`` is the context of its span."""
    metrics = runtime.metrics
    metrics.finished(request.operation, ending.outcome)
    kind = ending.error_type if ending.failed else None
    labels = attributes.labels(request, ending.answer, result, kind, metrics.model)
    metrics.record(names.DURATION, ending.elapsed, labels, found)
    if result.usage is not None:
        metrics.tokens("input", result.usage.input_tokens, labels, found)
        metrics.tokens("output", result.usage.output_tokens, labels, found)
    if ending.first_chunk is not None:
        metrics.record(names.TIME_TO_FIRST_CHUNK, ending.first_chunk, labels, found)
    if ending.per_chunk is not None:
        metrics.record(names.TIME_PER_OUTPUT_CHUNK, ending.per_chunk, labels, found)


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
    if not (recording or ending.failed or result.messages is not None):
        return
    answer = ending.answer
    details = attributes.of_answer(request, answer)
    # The text of an error may repeat any key that was involved, and so may a message.
    secrets = [
        "" if key is None else text_of(key),
        (answer.authorization or "").removeprefix("Bearer "),
    ]
    said: dict[str, list[Any]] = {}
    with runtime.guard("content"):
        said = _said(result, secrets)
    if recording:
        found = {
            names.REQUEST_OUTCOME: ending.outcome,
            **details,
            **attributes.of_result(result, answer, ending.first_chunk),
        }
        if ending.auth is not None:
            found |= ending.auth.attributes()
        if said and runtime.settings.content_on_spans:
            found |= content.as_json(said)
        span.set_attributes(found)
    told = _told(ending.exc, secrets, with_stacktrace=recording)
    if ending.failed:
        _fail(span, ending, told)
    in_events = result.messages is not None and runtime.settings.content_in_events
    if not (ending.failed or in_events):
        return
    details |= _asked(request)
    with trace.use_span(span, end_on_exit=False, record_exception=False):
        if ending.failed:
            details[names.ERROR_TYPE] = ending.error_type
            _log_failure(runtime, ending, told, details)
        if in_events:
            details |= {names.PROVIDER_NAME: names.PROVIDER, **request.attributes}
            details |= attributes.of_result(result, answer, ending.first_chunk)
            events.emit(names.OPERATION_DETAILS, logging.INFO, details, said)


def tell_attempt(
    runtime: Runtime, request: Request, answer: Answer, auth: AuthFailure, exc: BaseException
) -> None:
    """Tell of an attempt whose key was refused, in the middle of a call that may go on."""
    details = attributes.of_answer(request, answer) | _asked(request)
    runtime.auth_failed(auth, {**details, names.ERROR_TYPE: error_type(exc)})


def _asked(request: Request) -> dict[str, Any]:
    model = {} if request.model is None else {names.REQUEST_MODEL: request.model}
    return {names.OPERATION: request.operation, **model}


def _told(
    exc: BaseException | None, secrets: list[str], *, with_stacktrace: bool
) -> RedactedException | None:
    if exc is None:
        return None
    return redact_exception(exc, secrets, with_stacktrace=with_stacktrace)


def _said(result: Result, secrets: list[str]) -> dict[str, list[Any]]:
    messages = result.messages
    if messages is None:
        return {}
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
        spans.fail(span, ending.error_type, told)
    else:
        span.set_attribute(names.ERROR_TYPE, ending.error_type)
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
