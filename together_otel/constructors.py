"""A client's constructor: its key looked at before any request, its refusal told."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel import attributes, names
from together_otel.keys import redact_exception, text_of
from together_otel.sdk.error_types import error_type
from together_otel.telemetry import spans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from together_otel.runtime import AuthFailure, Runtime
    from together_otel.sdk.calls import Adapter, GivenKey

_depth: ContextVar[list[bool]] = ContextVar("together_otel-constructors")
"""For each constructor at work, whether one inside it has told already."""


def construct(
    runtime: Runtime,
    adapter: Adapter,
    wrapped: Callable[..., Any],
    client: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    refused: Callable[[AuthFailure], None] | None = None,
) -> None:
    """Run a constructor and tell what its key looks like; its exception goes on as it is.

    Args:
        runtime: whose telemetry it is.
        adapter: of the client.
        wrapped: the constructor.
        client: what it constructs.
        args: its arguments.
        kwargs: the same.
        refused: told when it refuses for want of a key, unless one inside it has.
    """
    started = time.time_ns()
    told_inside = [False]
    token = _depth.set(told_inside)
    exc: BaseException | None = None
    try:
        wrapped(*args, **kwargs)
    except BaseException as error:
        exc = error
        raise
    finally:
        _depth.reset(token)
        with runtime.guard("client_init"):
            outer = _depth.get([])
            told = told_inside[0]
            if not told:
                given = adapter.given_key(client, args, kwargs)
                told, failure = _tell(runtime, given, exc, started)
                if failure is not None and refused is not None:
                    refused(failure)
            if told and outer:
                outer[0] = True
        # Frame and exception would refer to each other until the next collection.
        del exc


def _tell(
    runtime: Runtime, given: GivenKey, exc: BaseException | None, started: int
) -> tuple[bool, AuthFailure | None]:
    """Tell of a key; return whether that was it, and the failure if it is missing."""
    if exc is not None and not _for_want_of_a_key(exc, given):
        return False, None
    report, news = runtime.keys.constructed(given.value, given.source)
    runtime.metrics.key_checked(report.presence, report.format, report.source)
    if not news and exc is None:
        return True, None
    runtime.metrics.keys_changed(at_once=True)
    failure = runtime.missing(report) if exc is not None else None
    span = spans.start_client_init(
        runtime.tracer, started, failure.attributes() if failure else attributes.of_key(report)
    )
    with trace.use_span(span, end_on_exit=True, record_exception=False):
        if news:
            runtime.key_checked(report)
        if exc is not None and failure is not None:
            _tell_failure(runtime, span, exc, given, failure)
    return True, failure


def _tell_failure(
    runtime: Runtime,
    span: trace.Span,
    exc: BaseException,
    given: GivenKey,
    failure: AuthFailure,
) -> None:
    told = redact_exception(exc, [] if given.value is None else [text_of(given.value)])
    kind = error_type(exc)
    spans.fail(span, kind, told)
    runtime.auth_failed(failure, {names.ERROR_TYPE: kind})


def _for_want_of_a_key(exc: BaseException, given: GivenKey) -> bool:
    """Tell whether a constructor refused because there was no key; a TypeError is not that."""
    family = type(exc).__module__.partition(".")[0]
    return not given.value and family in ("together", "together_ai")
