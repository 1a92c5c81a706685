"""Alerts of keys across a job's instances: a bad rollout, a rotation that does not end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names
from together_otel.rules import records
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import FINGERPRINT, latest, of
from together_otel.rules.texts import JOB, alert_annotations, instances

if TYPE_CHECKING:
    from together_otel.rules.settings import Options

REMEMBERED = 3600
"""Seconds that an instance's refusal, or the use of a key, is current: jobs may ask rarely."""
SLACK = 60
"""Seconds between the last scrapes of two instances, and between their clocks."""
AWAY = "1d"
"""How long a key may be out of sight, as over a night, and still not be a new one."""
TOGETHER = 600
"""Seconds within which keys that are first accepted were set at one time."""


def groups(options: Options) -> tuple[Group, Group]:
    """Return alerts that compare a job's instances, and those that compare its keys over time."""
    return (
        Group("together_instances", _one_instance(options)),
        Group("together_rotation", _rotation(options), interval="1m"),
    )


def _one_instance(options: Options) -> tuple[Rule, Rule]:
    name = "TogetherOneInstanceRefused"
    where = ("job", "instance")
    accepted = latest(options, names.KEY_LAST_ACCEPTED, *where)
    refused = latest(options, names.KEY_LAST_REFUSED, *where)
    refused_ones = of(options, records.REFUSED_INSTANCES)
    failing = f"max by (job, instance) ({of(options, records.INSTANCE_FAILURES)})"
    # Accepted about as late as the others were refused: a key that dies is accepted nowhere then.
    accepted_ones = (
        f"{accepted} > on (job) group_left () (min by (job) ({refused_ones}) - {SLACK})"
        f" unless {refused_ones}"
    )
    named = instances(f"{records.REFUSED_INSTANCES}{{job=%[1]q}}")
    return (
        Rule(
            records.REFUSED_INSTANCES,
            f"{refused} > time() - {REMEMBERED} unless {accepted} >= {refused}\n"
            f"or\n"
            f"{failing} * 0 + time() unless {accepted}",
            comment="Instances whose last request was refused, or that have no key to ask with; "
            "when that was.",
        ),
        Rule(
            name,
            f"count by (job) ({refused_ones})\n"
            f"/\n"
            f"(\n"
            f"  count by (job) ({refused_ones})\n"
            f"  + count by (job) ({accepted_ones})\n"
            f")\n"
            f"<= {options.refused_share}",
            wait=options.refused_for,
            keep=options.keep_firing,
            labels={"severity": options.severities[name]},
            annotations=alert_annotations(
                options,
                name,
                f"Some instances of {JOB} are refused by Together, the others are accepted",
                f"{named} refused, {{{{ $value | humanizePercentage }}}} of its instances, while"
                f" others are accepted: cause is a bad rollout or a host's settings, not a dead"
                f" key. Roll back, or restart with the key that the others have: together-otel"
                f" check in a bad instance tells what its key looks like.",
                "authentication",
            ),
        ),
    )


def _rotation(options: Options) -> tuple[Rule, Rule]:
    name = "TogetherKeyRotationStalled"
    accepted = latest(options, names.KEY_LAST_ACCEPTED, "job", FINGERPRINT)
    first = of(options, records.FIRST_ACCEPTED)
    newest = f"max by (job) ({first} > time() - {options.rotation_memory})"
    users = instances(
        f"{names.KEY_LAST_ACCEPTED.prometheus}{{job=%[1]q,{FINGERPRINT}=%[2]q}}"
        f" > time() - {REMEMBERED}"
    ).replace("$labels.job |", f"$labels.job $labels.{FINGERPRINT} |")
    return (
        Rule(
            records.FIRST_ACCEPTED,
            f"last_over_time({first}[{AWAY}]) and {accepted}\nor\n{accepted} * 0 + time()",
            comment="When a key was first seen accepted; it remembers itself.",
        ),
        Rule(
            name,
            f"{accepted} - on (job) group_left () {newest} > {options.rotation_overlap}\n"
            f"and {accepted} > time() - {REMEMBERED}\n"
            f"and {first} < on (job) group_left () ({newest} - {TOGETHER})",
            keep=options.keep_firing,
            labels={"severity": options.severities[name]},
            annotations=alert_annotations(
                options,
                name,
                f"{JOB} still uses an old Together API key beside the new one",
                f"the key with fingerprint {{{{ $labels.{FINGERPRINT} }}}} is still accepted"
                f" {{{{ $value | humanizeDuration }}}} after a newer one came into use. Cause: the"
                f" rotation did not reach {users}. Restart them or replace their secret, and"
                f" revoke the old key only then: revoked now, it takes them down.",
                "authentication",
            ),
        ),
    )
