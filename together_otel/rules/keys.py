"""Alerts of keys in use: a rotation that stalls, a recovery that finds none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names
from together_otel.rules.document import Group, Rule
from together_otel.rules.texts import JOB, alert, choice, instances

if TYPE_CHECKING:
    from together_otel.rules.settings import Options

RESULT = names.label_of(names.RECOVERY_OUTCOME)
REASONS: dict[names.RecoveryOutcome, str] = {
    "no_new_key": "the sources have the refused key, or none. Put the new key where they look.",
    "refused_again": "the key that the sources gave is refused as well. Compare it with those on"
    " the account's page.",
    "source_failed": "a source raised an error or took too long; the log event"
    f" {names.KEY_NOT_RECOVERED.name} names it.",
}
"""Why a search for another key ends without one, and what to do about it."""

_ACCEPTED = names.KEY_LAST_ACCEPTED.prometheus
_SEARCHES = names.KEY_RECOVERIES.prometheus


def group(options: Options) -> Group:
    """Return the alerts of keys and the series that they look at, once a minute."""
    users = instances(
        options,
        f"{_ACCEPTED}{{<of>}} > time() - 3600",
        names.label_of(names.KEY_FINGERPRINT),
    )
    return Group(
        "together_keys",
        (
            Rule(
                "job_key:together_key_accepted:timestamp",
                f"max by (<by>, together_api_key_fingerprint) (\n"
                f"  {_ACCEPTED} and on (<by>, instance)\n"
                f"    count by (<by>, instance) ({_ACCEPTED} > time() - 3600) == 1\n"
                ")",
                "When a key was last accepted by instances that use one key.",
            ),
            Rule(
                "job_key:together_key_accepted:since",
                "last_over_time(job_key:together_key_accepted:since[1h]) and job_key:together_key_accepted:timestamp\n"
                "or job_key:together_key_accepted:timestamp * 0 + time()",
                "When it was first seen so.",
            ),
            Rule(
                "job:together_key_newest:since",
                "max by (<by>) (job_key:together_key_accepted:since > time() - 604800)\n"
                "and count by (<by>) (job_key:together_key_accepted:timestamp > time() - 3600) == 2",
                "When the newer of a service's two keys came into use, in the last week.",
            ),
            *alert(
                options,
                "TogetherKeyRotationStalled",
                "job_key:together_key_accepted:timestamp > time() - 3600\n"
                "  > on (<by>) group_left () job:together_key_newest:since + <rotation_overlap>\n"
                "and job_key:together_key_accepted:since\n"
                "  < on (<by>) group_left () job:together_key_newest:since - 600",
                "A key is still accepted long after another one that came into use later.",
                f"{JOB} still uses an old Together API key beside the new one",
                "the key with fingerprint {{ $labels.together_api_key_fingerprint }} is still accepted"
                f" {options.rotation_overlap / 60:g} minutes after a newer one came into use. Cause: the rotation did"
                f" not reach {users}. Restart them or replace their secret, and revoke the old key only"
                " then: revoked now, it takes them down.",
                "authentication",
            ),
            *alert(
                options,
                "TogetherKeyRecoveryFailing",
                f"sum by (<by>, {RESULT}) (\n"
                f'  increase({_SEARCHES}{{{RESULT}!="recovered"}}[15m])\n'
                ") >= 2\n"
                "unless on (<by>) sum by (<by>) (\n"
                f'  increase({_SEARCHES}{{{RESULT}="recovered"}}[15m])\n'
                ") > 0",
                "Two searches for another key ended alike in a quarter of an hour, and none found one.",
                f"{JOB} looks for another Together API key and finds none",
                f"{{{{ $value | humanize }}}} searches in 15m ended as {{{{ $labels.{RESULT} }}}}:"
                f" {choice(f'$labels.{RESULT}', REASONS)}",
                "authentication",
            ),
        ),
        interval="1m",
    )
