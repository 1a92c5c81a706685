"""Alert on a stalled key rotation."""

from together_otel import names
from together_otel.rules.document import Group, Rule
from together_otel.rules.settings import Options
from together_otel.rules.texts import JOB, alert

FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
_ACCEPTED = names.KEY_LAST_ACCEPTED.prometheus


_STATE = (
    Rule(
        "job_key:together_key_accepted:time",
        f"max by (<by>, together_api_key_fingerprint) (\n"
        f"  {_ACCEPTED}\n"
        f"  unless on (<by>, instance) count by (<by>, instance) (\n"
        f"    {_ACCEPTED} > time() - 900) > 1\n"
        ")",
        "When a key was last accepted by instances that use one key.",
    ),
    Rule(
        "job_key:together_key_accepted:since",
        "last_over_time(job_key:together_key_accepted:since[1h])\n"
        "  and job_key:together_key_accepted:time\n"
        "or job_key:together_key_accepted:time * 0 + time()",
        "When it was first seen so.",
    ),
    Rule(
        "job:together_key_newest:since",
        "max by (<by>) (job_key:together_key_accepted:since > time() - 604800)\n"
        "and count by (<by>) (job_key:together_key_accepted:time > time() - 3600) == 2",
        "When the newer of two keys came into use, in the last week.",
    ),
)
"""Recording rules for the alert."""


def group(options: Options) -> Group:
    """Return the alert on a stalled rotation and its recording rules, evaluated once a minute."""
    alerts = tuple(
        alert(
            options,
            "TogetherKeyRotationStalled",
            "job_key:together_key_accepted:time > time() - 3600\n"
            "  > on (<by>) group_left () job:together_key_newest:since + <rotation_overlap>\n"
            "and job_key:together_key_accepted:since\n"
            "  < on (<by>) group_left () job:together_key_newest:since - 600",
            "A key is still accepted long after another one that came into use later.",
            f"{JOB} still uses an old Together API key",
            f"The key with fingerprint {{{{ $labels.{FINGERPRINT} }}}} is still accepted"
            f" {options.rotation_overlap / 60:g} minutes after a newer one came into use. Cause: the"
            " rotation did not reach every instance. Restart them, and revoke the old key only then.",
        )
    )
    return Group("together_keys", (*_STATE, *alerts) if alerts else (), interval="1m")
