"""A client's constructor: its key looked at before any request, its refusal told."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel import names
from together_otel.auth.preflight import fault_of, refusal_of
from together_otel.clients.error_types import error_type
from together_otel.keys import redact_exception, text_of
from together_otel.telemetry import attributes, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from together_otel.auth.preflight import UnusableKeyError
    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.clients.base import Adapter, GivenKey
    from together_otel.keys import KeyReport
    from together_otel.recovery.retry import ConstructorRetry

_depth: ContextVar[list[bool]] = ContextVar("together_otel-constructors")
"""For each constructor at work, whether one inside it has told already."""


def construct(
    runtime: Runtime,
    adapter: Adapter,
    wrapped: Callable[..., Any],
    client: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    retry: ConstructorRetry | None = None,
) -> None:
    """Run a constructor and tell what its key looks like; its exception goes on as it is.

    Args:
        runtime: whose telemetry it is.
        adapter: of the client.
        wrapped: the constructor.
        client: what it constructs.
        args: its arguments.
        kwargs: the same.
        retry: makes it again where there is another key; it is told only when there is none.

    Raises:
        UnusableKeyError: when the key cannot work, and that is asked for.
    """
    while True:
        if retry is not None:
            args, kwargs = retry.args, retry.kwargs
        turn = _Turn(runtime, adapter, client, args, kwargs, may_recover=retry is not None)
        try:
            wrapped(*args, **kwargs)
        except BaseException as exc:
            refusal = turn.ended(exc)
            if retry is not None and retry.again(turn.refused):
                continue
            turn.tell_later()
            if refusal is None:
                raise
        else:
            refusal = turn.ended(None)
            if refusal is None:
                if retry is not None:
                    retry.succeeded()
                return
            if retry is not None and retry.again(turn.refused):
                continue
            turn.tell_later()
        try:
            raise refusal
        finally:
            # Frame and exception would refer to each other until the next collection.
            del refusal


class _Turn:
    """One run of a constructor; takes what `construct` does."""

    def __init__(
        self,
        runtime: Runtime,
        adapter: Adapter,
        client: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        may_recover: bool,
    ) -> None:
        self._runtime = runtime
        self._adapter = adapter
        self._client = client
        self._args = args
        self._kwargs = kwargs
        self._may_recover = may_recover
        self._later: Callable[[], None] | None = None
        self.refused: tuple[AuthFailure, None] | None = None
        self._started = time.time_ns()
        self._told = [False]
        self._token = _depth.set(self._told)

    def ended(self, exc: BaseException | None) -> UnusableKeyError | None:
        """Tell how it ended; return what is to be raised instead, if anything."""
        _depth.reset(self._token)
        refusal = None
        with self._runtime.guard("client_init"):
            outer = _depth.get([])
            if not self._told[0]:
                given = self._adapter.given_key(self._client, self._args, self._kwargs)
                if exc is None or _for_want_of_a_key(exc, given):
                    self._told[0] = True
                    refusal = self._look(given, exc)
            if self._told[0] and outer:
                outer[0] = True
        return refusal

    def _look(self, given: GivenKey, exc: BaseException | None) -> UnusableKeyError | None:
        runtime, refusal = self._runtime, None
        report, news = runtime.keys.constructed(given.value, given.source)
        raising = runtime.settings.preflight == "raise"
        failure = runtime.missing(report) if exc is not None else None
        if raising and exc is None:
            fault = fault_of(self._adapter, self._client, given, report)
            if fault is not None:
                failure = replace(runtime.missing(report), diagnosis=fault)
        if raising and failure is not None:
            link = runtime.settings.runbook(f"cause-{failure.diagnosis.cause}")
            refusal = refusal_of(self._adapter, failure.diagnosis, link)
            if exc is not None:
                refusal.__cause__ = exc

        if failure is None or not self._may_recover:
            self._tell(given, report, failure, refusal or exc, news=news)
        else:
            self._tell(given, report, None, None, news=news)
            self._later = partial(self._tell, given, report, failure, refusal or exc, news=None)
            self.refused = failure, None
        return refusal

    def tell_later(self) -> None:
        """Tell of the failure that recovery was to make good, if there is one."""
        later, self._later = self._later, None
        if later is not None:
            later()

    def _tell(
        self,
        given: GivenKey,
        report: KeyReport,
        failure: AuthFailure | None,
        exc: BaseException | None,
        *,
        news: bool | None,
    ) -> None:
        """Tell of a key, unless that has been done (``news`` is ``None``), and of its failure."""
        runtime = self._runtime
        # For itself: a key is refused though that could not be told.
        with runtime.guard("client_init"):
            if runtime.settings.preflight == "off":
                news = None
            if news is not None:
                runtime.metrics.key_checked(report.presence, report.format, report.source)
            if failure is None and not news:
                return
            if failure is not None:
                runtime.keys.history.refused(report.identity, time.time())
            runtime.metrics.keys_changed(at_once=True)
            span = spans.start_client_init(
                runtime.tracer,
                self._started,
                failure.attributes() if failure else attributes.of_key(report),
            )
            with trace.use_span(span, end_on_exit=True, record_exception=False):
                if news:
                    runtime.key_checked(report)
                if failure is not None and exc is not None:
                    _tell_failure(runtime, span, exc, given, failure)


def _tell_failure(
    runtime: Runtime,
    span: trace.Span,
    exc: BaseException,
    given: GivenKey,
    failure: AuthFailure,
) -> None:
    kind = error_type(exc)
    if span.is_recording():
        told = redact_exception(exc, [] if given.value is None else [text_of(given.value)])
        span.set_attribute(names.ERROR_TYPE, kind)
        spans.fail(span, told)
    runtime.auth_failed(failure, {names.ERROR_TYPE: kind})


def _for_want_of_a_key(exc: BaseException, given: GivenKey) -> bool:
    """Tell whether a constructor refused because there was no key; a TypeError is not that."""
    family = type(exc).__module__.partition(".")[0]
    return not given.value and family in ("together", "together_ai")
