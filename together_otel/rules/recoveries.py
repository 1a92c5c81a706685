"""Recovery: failures that it made good wake nobody, and a recovery that fails is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from together_otel import names
from together_otel.rules import records
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import CAUSE, SECONDS, STARTED, WINDOW, latest, of
from together_otel.rules.texts import JOB, alert_annotations, by_label

if TYPE_CHECKING:
    from together_otel.rules.settings import Options

RESULT = names.label_of(names.RECOVERY_OUTCOME)
FOUND, NOT_FOUND = f'{RESULT}="recovered"', f'{RESULT}!="recovered"'
HELD: Final = 600
"""Seconds that a recovery is remembered: longer than the failure before it counts."""

REASONS: dict[names.RecoveryOutcome, str] = {
    "no_new_key": "the sources still have the key that is refused, or none. Put the new key where"
    " they look.",
    "refused_again": "the key that the sources gave is refused as well. Compare it with those on"
    " the account's page.",
    "source_failed": "a source raised an error or took too long; the log event"
    f" {names.KEY_NOT_RECOVERED.name} names it.",
}
"""Why a search for another key ends without one, and what to do about it."""


def unrecovered(options: Options) -> Rule:
    """Return failures by cause, without those of instances whose recovery has made them good.

    That is so when a search found a key, none found nothing, and what was refused last has been
    accepted since. A scrape between refusal and recovery shows a failure like any other.
    """
    where = ("job", "instance")
    accepted = latest(options, names.KEY_LAST_ACCEPTED, *where)
    refused = latest(options, names.KEY_LAST_REFUSED, *where)
    return Rule(
        records.UNRECOVERED,
        f"sum by (job, {CAUSE}) (\n"
        f"  {of(options, records.INSTANCE_FAILURES)}\n"
        f"  unless on (job, instance) (\n"
        f"    {_searches(options, FOUND, f'{HELD}s', HELD)}\n"
        f"    unless {_searches(options, NOT_FOUND, WINDOW, SECONDS)}\n"
        f"    unless ({refused} unless {accepted} >= {refused})\n"
        f"  )\n"
        f")",
        comment="The same of whole jobs without failures that another key has made good.",
    )


def group(options: Options) -> Group:
    """Return the alert of a recovery that keeps failing."""
    name, window = "TogetherKeyRecoveryFailing", options.recovery_window

    def searches(matcher: str, by: str) -> str:
        return f"sum by ({by}) (increase({of(options, names.KEY_RECOVERIES, matcher)}[{window}]))"

    return Group(
        "together_recovery",
        (
            Rule(
                name,
                f"{searches(NOT_FOUND, f'job, {RESULT}')} >= {options.recovery_searches}\n"
                f"unless on (job) {searches(FOUND, 'job')} > 0",
                keep=options.keep_firing,
                labels={"severity": options.severities[name]},
                annotations=alert_annotations(
                    options,
                    name,
                    f"{JOB} looks for another Together API key and finds none",
                    f"{{{{ $value | humanize }}}} searches in {window} ended as"
                    f" {{{{ $labels.{RESULT} }}}}. Cause: {by_label(RESULT, REASONS)}",
                    "authentication",
                ),
            ),
        ),
    )


def _searches(options: Options, matcher: str, window: str, seconds: int) -> str:
    """Return the instances with searches of a result, those of a young process as well."""
    counted = of(options, names.KEY_RECOVERIES, matcher)
    return (
        f"sum by (job, instance) ("
        f"{counted} and on (job, instance) time() - {of(options, STARTED)} < {seconds}"
        f" or increase({counted}[{window}])) > 0"
    )
