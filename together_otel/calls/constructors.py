"""Constructors of clients: their keys are inspected before any request, their failures reported."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry import trace

from together_otel import names
from together_otel.auth.preflight import UnusableKeyError, fault_of, refusal_of
from together_otel.calls.active import current_context, within
from together_otel.calls.arguments import Work
from together_otel.clients.error_types import error_type
from together_otel.guard import swallowed
from together_otel.keys import RedactedException, redact_exception, text_of
from together_otel.plain import clocks
from together_otel.telemetry import attributes, spans

if TYPE_CHECKING:
    from together_otel.auth.runtime import AuthFailure, Runtime
    from together_otel.calls.arguments import Arguments
    from together_otel.clients.base import Adapter, GivenKey
    from together_otel.keys import KeyReport
    from together_otel.recovery.retry import ConstructorRetry

_reported: ContextVar[list[bool]] = ContextVar("together_otel-constructors")
"""A flag of the running constructor: whether one inside it has already reported."""


def construct(
    runtime: Runtime,
    adapter: Adapter,
    arguments: Arguments,
    retry: ConstructorRetry | None,
) -> None:
    """Run a constructor and report its key; a failure only if there is no other key to retry with.

    Its exceptions pass unchanged. An UnusableKeyError is raised if the key cannot work and
    preflight is set to raise.
    """
    while True:
        if retry is not None:
            arguments.args, arguments.kwargs = retry.args, retry.kwargs
        work = Work(arguments.function, *arguments.args, **arguments.kwargs)
        attempt = Attempt(runtime, adapter, arguments, waits=retry is not None)
        try:
            work()
        except BaseException:
            attempt.ended(failed=True)
            if retry is not None and retry.again(attempt.refusal):
                continue
            attempt.report_failure()
            if attempt.unusable is None:
                raise
        else:
            attempt.ended(failed=False)
            if attempt.unusable is None:
                if retry is not None:
                    retry.succeeded()
                return
            if retry is not None and retry.again(attempt.refusal):
                continue
            attempt.report_failure()
        attempt.raise_unusable()


class Attempt:
    """One run of a constructor; takes the arguments of `construct`.

    ``unusable`` is the exception to raise instead of returning a client, ``refusal`` the failure to
    recover from, ``None`` if the key is not its cause.
    """

    def __init__(
        self, runtime: Runtime, adapter: Adapter, arguments: Arguments, *, waits: bool
    ) -> None:
        self.unusable: UnusableKeyError | None = None
        self.refusal: tuple[AuthFailure, None] | None = None
        self.adapter: Adapter = adapter
        self._runtime, self._arguments = runtime, arguments
        (self._client,) = arguments.client
        self._library = adapter.reader.library
        self._waits = waits
        self._failure: tuple[AuthFailure, RedactedException | None, str] | None = None
        self._started = clocks.time_ns()
        self._has_reported = [False]
        self._token = _reported.set(self._has_reported)

    def ended(self, *, failed: bool, looks: bool = True) -> None:
        """Inspect the key, after the constructor has returned or while its exception is handled."""
        _reported.reset(self._token)
        outer = _reported.get([])
        if looks and not self._has_reported[0]:
            try:
                self._look(failed=failed)
            except Exception:  # noqa: BLE001 - must not reach the application
                self._runtime.guard("client_init").swallow()
        if self._has_reported[0] and outer:
            outer[0] = True

    def _look(self, *, failed: bool) -> None:
        runtime, arguments = self._runtime, self._arguments
        given = self.adapter.given_key(self._client, arguments.args, arguments.kwargs)
        reader = self.adapter.made(self._client)
        self._library = reader.library
        # If it has not failed, an exception being handled is the application's.
        exc = sys.exc_info()[1] if failed else None
        if given is None or (exc is not None and not self.adapter.lacks_key(exc, given)):
            return
        if exc is None and given.value is None and self.adapter.delegates:
            return  # an in-house client may have its key in a store or another client
        self._has_reported[0] = True
        # A constructor that has failed may have set nothing on the client.
        report, news = runtime.keys.constructed(
            given.value,
            given.source,
            reader,
            # Not in a variable: the repr of 1.x shows the key.
            None if failed else self.adapter.shared(self._client),
        )
        failure = runtime.missing(report) if exc is not None else None
        if runtime.settings.preflight == "raise" and self.adapter.error_modules:
            failure = self._preflight(given, report, failure, exc)
        if failure is not None:
            shown = self.unusable or exc
            secrets = [] if given.value is None else [text_of(given.value)]
            redacted = None if shown is None else redact_exception(shown, secrets)
            kind = "" if shown is None else error_type(shown)
            self.refusal, self._failure = (failure, None), (failure, redacted, kind)
            del secrets, shown
        # No frame here may hold key or exception while something is logged.
        del given, exc
        if runtime.settings.preflight != "off":
            runtime.metrics.key_checked(report.presence, report.format, report.source)
        else:
            news = False
        if failure is None or self._waits:
            self._report(report, None, news=news)
        else:
            self._report(report, self._failure, news=news)
            self._failure = None

    def _preflight(
        self,
        given: GivenKey,
        report: KeyReport,
        failure: AuthFailure | None,
        exc: BaseException | None,
    ) -> AuthFailure | None:
        """Return the failure of a key that cannot work, and set `unusable`."""
        runtime = self._runtime
        if exc is None:
            hosts = runtime.settings.hosts
            fault = fault_of(self.adapter, self._client, given, report, hosts)
            if fault is not None:
                failure = replace(runtime.missing(report), diagnosis=fault)
        if failure is not None:
            link = runtime.settings.runbook(f"cause-{failure.diagnosis.cause}")
            self.unusable = refusal_of(self.adapter, failure.diagnosis, link)
            if exc is not None:
                self.unusable.__cause__ = exc
        return failure

    def report_failure(self) -> None:
        """Report the failure that waited for a recovery, as there was none."""
        if (waiting := self._failure) is not None:
            self._failure = None
            self._report(waiting[0].report, waiting, news=False)

    def raise_unusable(self) -> None:
        """Raise `unusable`, if there is one, instead of returning a client."""
        unusable, self.unusable = self.unusable, None
        if unusable is None:
            return
        try:
            raise unusable
        finally:
            # Frame and exception would form a reference cycle until the next collection.
            del unusable

    def _is_at_gateway(self, report: KeyReport) -> bool:
        """Return whether a key that looks like another provider's may be a listed gateway's own."""
        runtime = self._runtime
        if report.format == "other_provider" and runtime.settings.hosts:
            with swallowed:  # a client's base_url may be a property that raises
                return runtime.is_gateway(self.adapter.host(self._client))
        return False

    def _report(
        self,
        report: KeyReport,
        failed: tuple[AuthFailure, RedactedException | None, str] | None,
        *,
        news: bool,
    ) -> None:
        """Report a new key and its failure, each signal in a guard of its own."""
        if failed is None and not news:
            return
        runtime = self._runtime
        failure = None if failed is None else failed[0]
        if failure is not None:
            try:
                runtime.metrics.auth_failed(failure.diagnosis.cause)
            except Exception:  # noqa: BLE001 - must not reach the application, as below
                runtime.guard("client_init").swallow()
            runtime.keys.history.refused(report.identity, clocks.time())
        try:
            runtime.metrics.keys_changed(at_once=True)
        except Exception:  # noqa: BLE001
            runtime.guard("client_init").swallow()
        span: trace.Span = trace.INVALID_SPAN
        is_recording = False
        try:
            found = attributes.of_key(report) if failure is None else failure.attributes()
            found[names.CLIENT_LIBRARY] = self._library
            started = spans.start_client_init(runtime.tracer, self._started, found)
            is_recording, span = started.is_recording(), started
        except Exception:  # noqa: BLE001
            runtime.guard("client_init").swallow()
        try:
            with within(runtime, trace.set_span_in_context(span, current_context())):
                if failed is None:
                    at_gateway = self._is_at_gateway(report)
                    runtime.key_checked(report, self._library, at_gateway=at_gateway)
                else:
                    details = {names.ERROR_TYPE: failed[2], names.CLIENT_LIBRARY: self._library}
                    suppressed = runtime.auth_failure_held_back(failed[0])
                    runtime.log_auth_failure(failed[0], details, suppressed)
        except Exception:  # noqa: BLE001
            runtime.guard("log").swallow()
        finally:  # after an interrupt as well
            try:
                with runtime.guard("client_init"):
                    if failed is not None and is_recording:
                        spans.finish(span, {names.ERROR_TYPE: failed[2]}, failed[2], failed[1])
            finally:
                with runtime.guard("client_init"):
                    span.end()
