"""What an instrumentation that is on consists of, and what happens when a key fails."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from together_otel.calls.conflicts import Conflicts
from together_otel.guard import Guard
from together_otel.keys import Refusal, diagnose
from together_otel.names import (
    AUTH_CAUSE,
    AUTH_FAILED,
    AUTH_FAILED_FOR,
    AUTH_RECOVERED,
    AUTH_REMEDY,
    AUTH_RUNBOOK,
    AUTH_SUPPRESSED,
    KEY_CHECKED,
    STAGES,
    Stage,
)
from together_otel.telemetry import attributes, events
from together_otel.telemetry.redacting_processor import add_redacting_processor, redact_debug_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import Tracer

    from together_otel.auth.registry import KeyRegistry
    from together_otel.clients.base import Answer, AuthKind
    from together_otel.keys import Diagnosis, KeyReport
    from together_otel.settings import Settings
    from together_otel.telemetry.metrics import Metrics
    from together_otel.telemetry.redacting_processor import SecretsIn


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """A diagnosed failure: whose key, why, what to do."""

    report: KeyReport
    diagnosis: Diagnosis

    def attributes(self) -> dict[str, Any]:
        """Return the span attributes of the failure."""
        return {AUTH_CAUSE: self.diagnosis.cause, **attributes.of_key(self.report)}


class Runtime:
    """Everything one ``instrument()`` set up; shared by all patched methods."""

    def __init__(
        self, settings: Settings, tracer: Tracer, metrics: Metrics, keys: KeyRegistry
    ) -> None:
        self.settings = settings
        self.tracer = tracer
        self.metrics = metrics
        self.keys = keys
        self.others = Conflicts()
        self.recovery: object = None
        """The chain of sources that is used where no other is chosen; `recovery` knows its class."""
        self._repeats = events.Repeats(settings.log_interval)
        guards: dict[Stage, Guard] = {stage: Guard(stage, metrics.swallowed) for stage in STAGES}
        self.guard: Callable[[Stage], Guard] = guards.__getitem__
        """The border to use round our own code of one stage."""
        self._begun = False
        self._veiled: object = None
        metrics.keys_in_use = self._keys_in_use

    def begins(self, secrets_in: SecretsIn) -> None:
        """Look round before a call is begun: others may have come since, or a tracer provider.

        Args:
            secrets_in: as `telemetry.add_redacting_processor.add_redacting_processor` takes it.
        """
        if not self._begun:
            self._begun = True
            self.others.warn()
            redact_debug_logs()
        provider = trace.get_tracer_provider()
        if provider is not self._veiled:
            add_redacting_processor(provider, secrets_in)
            self._veiled = provider

    def _keys_in_use(self) -> Any:
        with self.guard("collect"):
            return self.keys.in_use()
        return ()

    def key_checked(self, report: KeyReport) -> None:
        """Log the finding about a constructor's key."""
        if report.presence != "present":
            level = logging.ERROR
        elif report.problems or report.format in ("placeholder", "damaged", "other_provider"):
            level = logging.WARNING
        else:
            level = logging.INFO
        events.emit(KEY_CHECKED, level, attributes.of_key(report))

    def accepted(self, report: KeyReport) -> None:
        """Note that a request with this key was accepted."""
        history = self.keys.history
        news = history.last_accepted(report.identity) is None
        lasted = history.accepted(report.identity, time.time())
        # A process may end before what can wait is written.
        self.metrics.keys_changed(at_once=news or lasted is not None)
        if lasted is not None:
            events.emit(
                AUTH_RECOVERED,
                logging.INFO,
                {AUTH_FAILED_FOR: round(lasted, 3), **attributes.of_key(report)},
            )

    def missing(self, report: KeyReport) -> AuthFailure:
        """Diagnose a constructor that refused for want of a key."""
        return AuthFailure(report, diagnose(report, Refusal("constructor")))

    def refused(
        self,
        kind: AuthKind,
        key: object,
        report: KeyReport,
        answer: Answer,
        *,
        override: str | None = None,
        sent: bool,
        together_error: bool,
        code: str | None,
    ) -> AuthFailure:
        """Diagnose a request that failed for its key.

        Args:
            kind: whether it was refused or could not be sent.
            key: the client's key.
            report: the client's key's report.
            answer: what is known of the request sent, its Authorization header above all.
            override: the option that replaces the header, if any.
            sent: whether that header is known.
            together_error: whether the answer was in Together's error format.
            code: the error code that the server gave.
        """
        history = self.keys.history
        now = time.time()
        what = "key"
        if sent and answer.authorization is None:
            what = "nothing"
        elif sent and answer.authorization != f"Bearer {key}":
            what = "other"
        if what == "other":
            token = (answer.authorization or "").removeprefix("Bearer ")
            report = self.keys.of(token, "header")
        refusal = Refusal(
            kind,
            sent=what,  # type: ignore[arg-type]  # narrowed above to Refusal's own words
            override=override,
            redirected_from=answer.redirected_from,
            host_refused=answer.host,
            code=code,
            from_together=together_error,
            accepted_before=history.last_accepted(report.identity) if what != "nothing" else None,
        )
        history.refused(report.identity if what != "nothing" else b"", now)
        self.metrics.keys_changed(at_once=True)
        return AuthFailure(report, diagnose(report, refusal))

    def held_back(self, what: object) -> int | None:
        """Return how often the same was not logged since it was, ``None`` if that was just now."""
        return self._repeats.passes(what, time.monotonic())

    def auth_failed(self, failure: AuthFailure, details: Mapping[str, Any]) -> None:
        """Count an authentication failure and log it, unless it was logged just now."""
        cause = failure.diagnosis.cause
        self.metrics.auth_failed(cause)
        suppressed = self.held_back((failure.report.identity, cause))
        if suppressed is None:
            return
        fields = {
            AUTH_CAUSE: cause,
            AUTH_REMEDY: failure.diagnosis.remedy,
            **attributes.of_key(failure.report),
            **details,
            AUTH_RUNBOOK: self.settings.runbook(f"cause-{cause}"),
        }
        if suppressed:
            fields[AUTH_SUPPRESSED] = suppressed
        events.emit(AUTH_FAILED, logging.ERROR, fields)
