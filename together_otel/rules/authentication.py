"""Alerts of refused keys: for these somebody is woken up, within a minute of the first refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names
from together_otel.rules import records, recoveries
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import (
    CAUSE,
    FAILURES,
    FINGERPRINT,
    LONG_WINDOW,
    OUTCOME,
    SHORT_WINDOW,
    WINDOW,
    any_of,
    events,
    failures,
    latest,
    of,
    select,
)
from together_otel.rules.texts import JOB, alert_annotations, remedies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.rules.settings import Options, Severity

UNUSABLE: tuple[names.Cause, ...] = (
    "missing",
    "empty",
    "malformed",
    "wrong_variable",
    "wrong_provider",
    "not_passed",
)

REFUSED = f'{OUTCOME}="auth_failure"'
SETTLED = 600
"""Seconds that a key's last refusal is looked at: longer than the refusal itself counts."""
USUAL = "1d"
"""The past that tells what is usual for a job."""

_CAUSE = f"{{{{ $labels.{CAUSE} }}}}"
_CAUSES: Mapping[str, tuple[names.Cause, ...]] = {
    "TogetherKeyRevoked": ("revoked",),
    "TogetherKeyUnusable": UNUSABLE,
}
"""The alerts that look at some causes only."""
_FAILING = "TogetherAuthFailing"
"""The alert that looks at requests as well."""


def alerts_of(cause: names.Cause, options: Options, *, asks: bool) -> dict[str, Severity]:
    """Return the alerts that failures of a cause lead to, by name in the order of the rules.

    Args:
        cause: of the failures.
        options: how the rules are made.
        asks: whether requests are made, or no client can be made to make them.
    """
    return {
        rule.name: options.severities[rule.name]
        for rule in group(options).rules
        if rule.labels
        and cause in _CAUSES.get(rule.name, names.CAUSES)
        and (asks or rule.name != _FAILING)
    }


def group(options: Options) -> Group:
    """Return the alerts of refused keys, and the series that they share."""
    return Group(
        "together_auth",
        (
            *_failures(options),
            recoveries.unrecovered(options),
            _alert(
                options,
                "TogetherKeyRevoked",
                _revoked(options),
                f"A Together API key of {JOB} was revoked or has expired",
            ),
            _alert(
                options,
                "TogetherKeyUnusable",
                of(options, records.UNRECOVERED, any_of(CAUSE, UNUSABLE)),
                f"{JOB} has no usable Together API key: {_CAUSE}",
            ),
            *_requests(options),
            _alert(
                options,
                _FAILING,
                f"{of(options, records.UNRECOVERED)}\nand on (job) (\n{_failing(options)}\n)",
                f"Together refuses most requests of {JOB}: {_CAUSE}",
            ),
            _alert(
                options,
                "TogetherAuthFailure",
                of(options, records.CAUSE_FAILURES),
                f"{JOB} had a Together authentication failure: {_CAUSE}",
            ),
            _spike(options),
        ),
    )


def slow(options: Options) -> Rule:
    """Return requests of the last hour: of so many samples, looked at once a minute only."""
    answered = any_of(OUTCOME, ("auth_failure", "success"))
    return Rule(
        records.REQUESTS_1H,
        f"sum by (job, {OUTCOME})"
        f" (increase({of(options, names.REQUESTS, answered)}[{LONG_WINDOW}]))",
        comment="Requests accepted and refused in the last hour, for jobs that ask a few times an "
        "hour.",
    )


def _alert(options: Options, name: str, expr: str, summary: str) -> Rule:
    causes = _CAUSES.get(name, names.CAUSES)
    return Rule(
        name,
        expr,
        keep=options.keep_firing,
        labels={"severity": options.severities[name]},
        annotations=alert_annotations(
            options,
            name,
            summary,
            f"cause {_CAUSE}. {remedies(causes)} The log event {names.AUTH_FAILED.name} of the job"
            f" names the variable or argument at fault.",
            "authentication",
        ),
    )


def _failures(options: Options) -> tuple[Rule, ...]:
    where = f'job=~"{options.jobs}"' if options.jobs else ""
    return (
        Rule(
            records.INSTANCE_FAILURES,
            failures(by=("job", "instance", CAUSE), where=where),
            comment="New authentication failures of the last five minutes, where there are any, "
            "with those that no step of a counter shows.",
        ),
        Rule(
            records.CAUSE_FAILURES,
            f"sum by (job, {CAUSE}) ({of(options, records.INSTANCE_FAILURES)})",
            comment="The same of whole jobs.",
        ),
        Rule(
            records.JOB_FAILURES,
            f"sum by (job) ({of(options, records.CAUSE_FAILURES)})"
            f" or sum by (job) ({of(options, FAILURES)}) * 0",
            comment="The same of every cause; 0 where there is none.",
        ),
    )


def _requests(options: Options) -> tuple[Rule, ...]:
    return (
        Rule(
            records.REQUESTS_1M,
            f"sum by (job, {OUTCOME}) (increase({of(options, names.REQUESTS)}[{SHORT_WINDOW}]))",
            comment="Requests of the last minute.",
        ),
        Rule(
            records.REQUESTS_5M,
            events(options, names.REQUESTS, ("job", OUTCOME)),
            comment="Requests of the last five minutes.",
        ),
    )


def _revoked(options: Options) -> str:
    """Return failures of a revoked key, unless all that was refused has been accepted since.

    A server that refuses one request in 10,000 of a good key has not revoked it. Where keys have
    no fingerprint there is no telling, and it counts as revoked.
    """
    within = f"{SETTLED}s"
    accepted = latest(options, names.KEY_LAST_ACCEPTED, "job", FINGERPRINT, within=within)
    refused = latest(options, names.KEY_LAST_REFUSED, "job", FINGERPRINT, within=within)
    revoked = of(options, records.UNRECOVERED, f'{CAUSE}="revoked"')
    return (
        f"{revoked}\n"
        f"unless on (job) (\n"
        f"  ({refused} <= {accepted}) > time() - {SETTLED}\n"
        f"  unless on (job) (\n"
        f"    ({refused} unless {accepted} >= {refused}) > time() - {SETTLED}\n"
        f"  )\n"
        f")"
    )


def _failing(options: Options) -> str:
    """Return the jobs most of whose requests are refused.

    One refusal among the acceptances of a slow job is no page: a share counts only with a
    number behind it, or when it is all that the job's processes have ever asked.
    """

    def most(record: str, at_least: int) -> str:
        some = f"sum by (job) ({of(options, record, REFUSED)})"
        every = f"sum by (job) ({of(options, record)})"
        return f"{some} / {every} > {options.failing_share} and {some} >= {at_least}"

    of_five_minutes = f"sum by (job) ({of(options, records.REQUESTS_5M)})"
    asked = of(options, names.REQUESTS)
    refused = of(options, names.REQUESTS, REFUSED)
    return (
        f"  {most(records.REQUESTS_1M, 5)}\n"
        f"  or\n"
        f"  {most(records.REQUESTS_5M, 2)}\n"
        f"  or\n"
        f"  {most(records.REQUESTS_1H, 2)} and {of_five_minutes} < 5\n"
        f"  or\n"
        f"  sum by (job) ({refused}) == sum by (job) ({asked}) > 0"
    )


def _spike(options: Options) -> Rule:
    """Return failures well above the job's own past, for jobs that always have some."""
    name = "TogetherAuthFailureSpike"
    now = of(options, records.JOB_FAILURES)
    usual = f"quantile_over_time(0.95, {now}[{USUAL}] offset {WINDOW})"
    causes = (
        f"{{{{ range printf `{select(records.CAUSE_FAILURES, 'job=%[1]q')}` $labels.job | query"
        f" | sortByLabel `{CAUSE}` }}}} {{{{ .Labels.{CAUSE} }}}}{{{{ end }}}}"
    )
    return Rule(
        name,
        f"{now} >= {options.spike_failures}\nunless\n{now} <= {options.spike_factor} * {usual}",
        keep=options.keep_firing,
        labels={"severity": options.severities[name]},
        annotations=alert_annotations(
            options,
            name,
            f"{JOB} has many more Together authentication failures than usual",
            f"{{{{ $value | humanize }}}} authentication failures in {WINDOW}, more than"
            f" {options.spike_factor:g} times what 95 % of the last day had. Causes:{causes}."
            f" Each has an entry in the runbook with its remedy. If callers bring keys of their"
            f" own, look for one caller's; else see what was deployed or rotated.",
            "authentication",
        ),
    )
