"""Reporting of ended calls: each signal in its own step, the most important first.

The order is count, state of keys, log, histograms, span. A failing step affects no other signal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from together_otel import names
from together_otel.calls.active import within
from together_otel.clients.base import Answer, Usage
from together_otel.telemetry import attributes, content, events, spans
from together_otel.telemetry.metrics import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from together_otel.auth.runtime import AuthFailure
    from together_otel.calls.state import CallState
    from together_otel.keys import RedactedException
    from together_otel.names import Outcome, Stage

    Step = tuple[Stage, Callable[["CallState", "Ending"], None]]

_NO_USAGE = Usage()


@dataclass(slots=True)
class Ending:
    """How a call ended.

    ``elapsed`` is its duration, ``ago`` the time since the end of a call that the caller dropped,
    both in seconds. ``exception`` is redacted, ``content`` redacted and limited in length.
    ``is_reported`` is whether a nested call has reported the same failure.
    """

    outcome: Outcome
    answer: Answer
    elapsed: float = 0.0
    ago: float = 0.0
    auth: AuthFailure | None = None
    error_type: str | None = None
    exception: RedactedException | None = None
    is_reported: bool = False
    counts_retries: bool = False
    finish_reasons: tuple[str, ...] = ()
    content: dict[str, list[Any]] | None = None


def report(call: CallState, ending: Ending) -> None:
    """Report a call in steps and end its span. An interrupt skips only the step that it hits."""
    left = iter(_STEPS)
    try:
        _take(left, call, ending)
    finally:
        _take(left, call, ending)


def _take(steps: Iterable[Step], call: CallState, ending: Ending) -> None:
    for stage, step in steps:
        try:
            step(call, ending)
        except Exception:  # noqa: BLE001 - must not reach the application
            call.runtime.guard(stage).swallow()


def report_answer(call: CallState, answer: Answer, elapsed: float) -> None:
    """Report a successful call, without captured content and chunks, which took some seconds.

    Does so without a function for each step, for speed.
    """
    result, recorder, swallow = call.result, call.recorder, call.runtime.guard("finish").swallow
    try:
        if answer.resends and recorder is not None:
            recorder.retried(answer.resends)
        call.accepted(answer)
    except Exception:  # noqa: BLE001 - must not reach the application, as below
        swallow()
    # After the step that may log: no frame may hold the server's text while something is logged.
    reasons, is_elsewhere = result.finish_reasons, call.was_elsewhere(answer)
    try:
        usage = result.usage or _NO_USAGE
        values = "success", elapsed, None, result.model, *usage, None, None, reasons
        measured = tuple.__new__(Measured, (*values, call.span_context))
        if recorder is None or is_elsewhere:
            recorder = call.recorder_of(answer)
        recorder.record(measured, call.secrets)
        if limits := answer.ratelimits:
            recorder.ratelimits(limits.get("remaining"), limits.get("limit"))
    except Exception:  # noqa: BLE001
        swallow()
    try:
        if call.is_recording:
            secrets = call.secrets
            found = attributes.of_answer("success", answer, result, reasons, secrets)
            if is_elsewhere:
                server: dict[str, Any] = {}
                attributes.add_server(server, str(answer.host), answer.port)
                found |= attributes.clean(server, secrets)
            spans.set_clean(call.span, spans.without_genai(found) if call.is_beside else found)
    except Exception:  # noqa: BLE001
        swallow()
    try:
        call.span.end()
    except Exception:  # noqa: BLE001
        swallow()


def _count(call: CallState, ending: Ending) -> None:
    if ending.auth is not None and not ending.is_reported:
        call.runtime.metrics.auth_failed(ending.auth.diagnosis.cause)


def _note_state(call: CallState, ending: Ending) -> None:
    if ending.counts_retries and ending.answer.resends and call.recorder is not None:
        call.recorder.retried(ending.answer.resends)
    if ending.auth is not None:
        call.runtime.metrics.keys_changed(at_once=True)
    elif ending.outcome in names.NO_FAILURE:
        call.accepted(ending.answer)


def _gather_content(call: CallState, ending: Ending) -> None:
    if (messages := call.result.messages) is None:
        return
    ending.content = content.fit(
        {
            names.SYSTEM_INSTRUCTIONS: messages.instructions,
            names.INPUT_MESSAGES: messages.inputs,
            names.OUTPUT_MESSAGES: messages.outputs(),
            names.TOOL_DEFINITIONS: messages.tools,
        },
        call.secrets,
    )


def _measure(call: CallState, ending: Ending) -> None:
    result, timing = call.result, call.timing
    first = mean = None
    if timing is not None and timing.chunks:
        first = timing.first - call.started
        if timing.chunks > 1:
            mean = (timing.last - timing.first) / (timing.chunks - 1)
    usage = result.usage or _NO_USAGE
    ending.finish_reasons = result.finish_reasons
    measured = Measured(
        ending.outcome,
        ending.elapsed,
        ending.error_type,
        result.model,
        *usage,
        first,
        mean,
        ending.finish_reasons,
        call.span_context,
    )
    recorder = call.recorder_of(ending.answer)
    recorder.record(measured, call.secrets)
    if limits := ending.answer.ratelimits:
        recorder.ratelimits(limits.get("remaining"), limits.get("limit"))


def _span_attributes(call: CallState, ending: Ending) -> dict[str, Any]:
    """Return the span attributes that are not set at its start."""
    answer, reasons = ending.answer, ending.finish_reasons
    found: dict[str, Any] = {names.REQUEST_OUTCOME: ending.outcome}
    attributes.add_answer(found, answer)
    if call.was_elsewhere(answer):
        attributes.add_server(found, str(answer.host), answer.port)
    attributes.add_result(found, call.result, reasons, answer, _first_chunk(call))
    if ending.error_type is not None:
        found[names.ERROR_TYPE] = ending.error_type
    if ending.auth is not None:
        found |= ending.auth.attributes()
    if ending.content and call.runtime.settings.content_on_spans:
        found |= content.as_json(ending.content)
    if call.is_beside:
        found = spans.without_genai(found)
    return attributes.clean(found, call.secrets)


def _finish_span(call: CallState, ending: Ending) -> None:
    try:
        if call.is_recording:
            found = _span_attributes(call, ending)
            spans.finish(call.span, found, ending.error_type, ending.exception)
    finally:
        spans.end(call.span, ending.ago)


def _first_chunk(call: CallState) -> float | None:
    timing = call.timing
    return None if timing is None or not timing.chunks else timing.first - call.started


def _log_auth_failure(call: CallState, ending: Ending) -> None:
    if ending.auth is None or ending.error_type is None or ending.is_reported:
        return
    suppressed = None
    if call.held_log is None:
        suppressed = call.runtime.auth_failure_held_back(ending.auth)
        if suppressed is None:
            return
    details = _details(call, ending.answer, ending.error_type)
    if call.held_log is not None:
        call.held_log.append((ending.auth, details))
        return
    with within(call.runtime, call.context):
        call.runtime.log_auth_failure(ending.auth, details, suppressed)


def _log_exception(call: CallState, ending: Ending) -> None:
    # The application knows of a cancellation, as it cancels the request itself.
    if ending.error_type is None or ending.is_reported or ending.outcome == "cancelled":
        return
    suppressed = None
    if ending.auth is None:  # a refusal has its own log line
        suppressed = call.runtime.held_back(
            names.OPERATION_EXCEPTION, call.request.operation, ending.error_type
        )
    if suppressed is None and not events.are_records_taken():
        return
    fields = _details(call, ending.answer, ending.error_type)
    fields[names.REQUEST_OUTCOME] = ending.outcome
    more, exception = {}, ending.exception
    if exception is None:  # the SDK returned the failure as data
        fields[names.EXCEPTION_TYPE] = ending.error_type
    else:
        fields[names.EXCEPTION_TYPE] = exception.type
        fields[names.EXCEPTION_MESSAGE] = exception.message
        more[names.EXCEPTION_STACKTRACE] = exception.stacktrace
    with within(call.runtime, call.context):
        events.emit(
            names.OPERATION_EXCEPTION, logging.WARNING, fields, more=more, suppressed=suppressed
        )


def _log_content(call: CallState, ending: Ending) -> None:
    if not ending.content or not call.runtime.settings.content_in_events:
        return
    details = _details(call, ending.answer, ending.error_type)
    said = {names.PROVIDER_NAME: names.PROVIDER, **call.request.attributes}
    reasons, first = call.result.finish_reasons, _first_chunk(call)
    attributes.add_result(said, call.result, reasons, ending.answer, first)
    details |= attributes.clean(said, call.secrets)
    with within(call.runtime, call.context):
        events.emit(names.OPERATION_DETAILS, logging.DEBUG, details, more=ending.content)


def _details(call: CallState, answer: Answer, error_type: str | None) -> dict[str, Any]:
    """Return the redacted attributes that log events of all calls have."""
    request = call.request
    details: dict[str, Any] = {}
    attributes.add_answer(details, answer)
    if answer.host is not None:
        attributes.add_server(details, answer.host, answer.port)
    elif request.host is not None:
        attributes.add_server(details, request.host, request.port)
    details[names.OPERATION] = request.operation
    details[names.CLIENT_LIBRARY] = call.reader.library
    if request.model is not None:
        details[names.REQUEST_MODEL] = request.model
    if error_type is not None:
        details[names.ERROR_TYPE] = error_type
    return attributes.clean(details, call.secrets)


_STEPS: Final[tuple[Step, ...]] = (
    ("finish", _count),
    ("finish", _note_state),
    ("content", _gather_content),
    ("log", _log_auth_failure),
    ("log", _log_exception),
    ("log", _log_content),
    ("finish", _measure),
    ("finish", _finish_span),
)
"""Steps, the most important first, each with the stage under which its errors are counted."""
_STEPS_OF_ATTEMPT: Final[tuple[Step, ...]] = (_STEPS[0], *_STEPS[3:5])


def report_attempt(call: CallState, ending: Ending) -> None:
    """Report an attempt whose key was refused, in a call that may continue."""
    _take(_STEPS_OF_ATTEMPT, call, ending)
