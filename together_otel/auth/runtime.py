"""State of the active instrumentation, and the diagnosis of authentication failures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from together_otel import names
from together_otel.guard import Guard
from together_otel.keys import Diagnosis, Refusal, diagnose, inspect_key
from together_otel.keys.hosts import TOGETHER, is_together_host, owner_of
from together_otel.names import STAGES, Stage
from together_otel.plain import clocks
from together_otel.telemetry import attributes, events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import Tracer

    from together_otel.auth.registry import KeyRegistry
    from together_otel.clients.base import Answer, AuthKind, Failure
    from together_otel.keys import KeyReport, Reader
    from together_otel.settings import Settings
    from together_otel.telemetry.metrics import Metrics


_DISTINGUISHING: Final = {
    names.AUTH_FAILED: (names.AUTH_CAUSE,),
    names.OPERATION_EXCEPTION: (names.OPERATION, names.ERROR_TYPE),
    names.KEY_NOT_RECOVERED: (names.RECOVERY_OUTCOME,),
}
"""Attributes that distinguish the failures of an event, to suppress repeated ones."""


@dataclass(frozen=True, slots=True)
class AuthFailure:
    """A diagnosed authentication failure: the key's report, cause and remedy."""

    report: KeyReport
    diagnosis: Diagnosis

    def attributes(self) -> dict[str, Any]:
        """Return the span attributes of the failure."""
        return {names.AUTH_CAUSE: self.diagnosis.cause, **attributes.of_key(self.report)}


class Runtime:
    """State that one ``instrument()`` sets up and all patched methods share.

    ``recovery`` has the sources of another key after a refusal, for `recovery.scope`;
    ``at_first_call`` is called before the first call, when providers should be set.
    """

    def __init__(
        self, settings: Settings, tracer: Tracer, metrics: Metrics, keys: KeyRegistry
    ) -> None:
        self.settings = settings
        self.tracer = tracer
        self.metrics = metrics
        self.keys = keys
        self.recovery: Any = None
        self.at_first_call: Callable[[], None] = lambda: None
        self.unknown_key: KeyReport = inspect_key(environ={})
        """Report of a key that could not be inspected."""
        self._repeats = events.Repeats(settings.log_interval)
        guards: dict[Stage, Guard] = {stage: Guard(stage, metrics.swallowed) for stage in STAGES}
        self.guard: Callable[[Stage], Guard] = guards.__getitem__
        """Returns the guard for the code of a stage."""
        metrics.keys_in_use = self._keys_in_use

    def _keys_in_use(self) -> Any:
        with self.guard("collect"):
            return self.keys.in_use()
        return ()

    def key_checked(self, report: KeyReport, library: str, *, at_gateway: bool = False) -> None:
        """Log the report of a constructor's key and the library of the client.

        ``at_gateway`` is `is_gateway` of the client's host, if the key is another provider's.
        """
        found = {names.CLIENT_LIBRARY: library, **attributes.of_key(report)}
        level = logging.INFO
        if report.presence != "present":
            level = logging.ERROR
        elif (
            report.problems
            or report.format in ("placeholder", "damaged")
            or (report.format == "other_provider" and not at_gateway)
        ):
            level = logging.WARNING
        if level != logging.INFO:
            remedy = diagnose(report, Refusal("constructor")).remedy
            found = {names.AUTH_REMEDY: remedy, **found}
        events.emit(names.KEY_CHECKED, level, found)

    def accepted(
        self,
        key: object,
        report: KeyReport,
        answer: Answer,
        host: str | None,
        library: str | None = None,
    ) -> None:
        """Record that a host accepted a request.

        ``report`` is that of the client's key, ``library`` the client's, for the log.
        """
        if answer.authorization is not None and answer.authorization != f"Bearer {key}":
            report = self.keys.of(answer.authorization.removeprefix("Bearer "), "header")
        history, now = self.keys.history, clocks.time()
        text = report.text_identity
        is_fresh = history.is_fresh(report.identity, now, text, host)
        # A success after a failure must always be recorded, because it ends an alert.
        if is_fresh and not self.metrics.has_failed:
            return
        self.metrics.accepted(now)
        if is_fresh:
            return
        news = history.last_accepted(report.identity) is None
        lasted = history.accepted(report.identity, now, self._whose(host), text, host)
        del key, host
        # The process may exit before a deferred write.
        self.metrics.keys_changed(at_once=news or lasted is not None)
        if lasted is not None:
            fields = {names.AUTH_FAILED_FOR: round(lasted, 3), **attributes.of_key(report)}
            if library is not None:
                fields[names.CLIENT_LIBRARY] = library
            events.emit(names.AUTH_RECOVERED, logging.INFO, fields)

    def missing(self, report: KeyReport) -> AuthFailure:
        """Diagnose a constructor that failed because there is no key."""
        return AuthFailure(report, diagnose(report, Refusal("constructor")))

    def unexplained(self, report: KeyReport) -> AuthFailure:
        """Return the failure of a key that could not be diagnosed."""
        return AuthFailure(report, Diagnosis("unknown", names.CAUSE_REMEDIES["unknown"]))

    def refused(
        self,
        kind: AuthKind,
        key: object,
        report: KeyReport,
        failure: Failure,
        override: Callable[[Answer], str | None],
        reader: Reader,
        owner: object = None,
    ) -> AuthFailure:
        """Diagnose a request that failed because of its key, and record the refusal.

        ``key`` and ``report`` are the client's. ``override`` returns what replaced the key in the
        request, if known. ``owner`` is an object that the client shares with its copies, if known.
        """
        history, answer, now = self.keys.history, failure.answer, clocks.time()
        what, header = "key", answer.authorization
        if failure.sent and header is None:
            what = "nothing"
        if failure.sent and header not in (None, f"Bearer {key}"):
            if key is not None:  # else the client does not show its key: it is this one
                what = "other"
            report = self.keys.of(str(header).removeprefix("Bearer "), "header")
        elif owner is not None:
            report = self.keys.read_by(owner, key, reader)
        whose = self._whose(answer.host)
        refusal = Refusal(
            kind,
            sent=what,  # type: ignore[arg-type]  # one of the literals of Refusal, see above
            override=None if what == "key" else override(answer),
            redirected_from=answer.redirected_from,
            host_refused=answer.host,
            code=failure.code,
            extra_hosts=self.settings.hosts,
            from_together=answer.from_together is not False,
            sign_in=answer.sign_in,
            has_scheme=answer.has_scheme,
            accepted_before=history.accepted_by(report.text_identity, whose)
            if what != "nothing"
            else None,
        )
        history.refused(report.identity if what != "nothing" else b"", now)
        if report.reader != reader:  # the key was first seen with another client
            report = replace(report, reader=reader)
        return AuthFailure(report, diagnose(report, refusal))

    def is_gateway(self, host: str | None) -> bool:
        """Return whether a host is a listed gateway, whose own keys may look like any other's."""
        return is_together_host(host, self.settings.hosts) and not is_together_host(host)

    def _whose(self, host: str | None) -> str:
        """Return the owner of a host; all of Together's hosts have the same owner."""
        return TOGETHER if host is None else owner_of(host, self.settings.hosts)

    def held_back(self, event: names.Event, *what: str, of: object = None) -> int | None:
        """Return how many equal failures were suppressed, or ``None`` to suppress this one too.

        ``what`` has the values of `_DISTINGUISHING`, ``of`` another one, which is not logged.
        """
        return self._repeats.passes((event, what, of), clocks.monotonic())

    def report_held_back(self) -> None:
        """Log how many times each failure was suppressed since it was last logged."""
        for (event, what, _), count in self._repeats.take():
            with self.guard("log"):
                found = dict(zip(_DISTINGUISHING[event], what, strict=True))
                events.write_held_back(event, found, count)

    def auth_failure_held_back(self, failure: AuthFailure) -> int | None:
        """Return `held_back` for an authentication failure."""
        report, cause = failure.report, failure.diagnosis.cause
        return self.held_back(names.AUTH_FAILED, cause, of=report.identity)

    def log_auth_failure(
        self,
        failure: AuthFailure,
        details: Mapping[str, Any],
        suppressed: int | None,
        recovered: str | None = None,
    ) -> None:
        """Log an authentication failure, unless it is suppressed.

        ``suppressed`` is the result of `auth_failure_held_back`. ``details`` are redacted
        attributes of the request; ``recovered`` is the outcome of a recovery that made up for the
        failure, if any.
        """
        cause = failure.diagnosis.cause
        if suppressed is None:
            return
        fields = {
            names.AUTH_CAUSE: cause,
            names.AUTH_REMEDY: failure.diagnosis.remedy,
            **attributes.of_key(failure.report),
            **details,
            names.AUTH_RUNBOOK: self.settings.runbook(f"cause-{cause}"),
        }
        if suppressed:
            fields[names.AUTH_SUPPRESSED] = suppressed
        if recovered is not None:
            fields[names.RECOVERY_OUTCOME] = recovered
        events.emit(
            names.AUTH_FAILED, logging.ERROR if recovered is None else logging.WARNING, fields
        )
