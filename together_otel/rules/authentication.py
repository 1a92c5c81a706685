"""Alerts on refused keys, based on the times of each process's last failure and last success."""

from collections.abc import Iterator

from together_otel import names
from together_otel.rules import texts
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import CAUSE, FINGERPRINT
from together_otel.rules.settings import Options, Severity
from together_otel.rules.texts import JOB, alert

UNUSABLE: tuple[names.Cause, ...] = (
    "missing",
    "empty",
    "malformed",
    "wrong_variable",
    "wrong_provider",
    "not_passed",
)
"""Causes of keys that cannot work anywhere."""

_FAILED = names.AUTH_LAST_FAILURE.prometheus
_SUCCEEDED = names.AUTH_LAST_SUCCESS.prometheus
_REFUSED = names.KEY_LAST_REFUSED.prometheus
_ACCEPTED = names.KEY_LAST_ACCEPTED.prometheus

STATE = (
    Rule(
        "instance:together_auth_failure:time",
        f"max by (<by>, instance) (max_over_time(\n  {_FAILED}[20m]))",
        "Kept for 20 minutes after the instance is gone.",
    ),
    Rule(
        "instance:together_auth_success:time",
        f"max by (<by>, instance) (max_over_time(\n  {_SUCCEEDED}[20m]))\n"
        "or instance:together_auth_failure:time * 0",
        "When an instance last succeeded; 0 if never.",
    ),
    Rule(
        "instance:together_auth_failure:since",
        "last_over_time(instance:together_auth_failure:since[20m])\n"
        "  > instance:together_auth_success:time and instance:together_auth_failure:time\n"
        "or instance:together_auth_failure:time > instance:together_auth_success:time",
        "An instance's first failure after its last success, both by its own clock.",
    ),
    Rule(
        "job:together_auth_success:time",
        "max by (<by>) (\n"
        "  instance:together_auth_success:time\n"
        "  or last_over_time(job:together_auth_success:time[20m]) > time() - 21600\n"
        ")",
        "When any instance of a service last succeeded; kept for six hours.",
    ),
    Rule(
        "instance:together_auth_failing:since",
        "instance:together_auth_failure:since\n"
        "and instance:together_auth_failure:time > time() - 3600 and (\n"
        "  instance:together_auth_failure:time\n"
        "    > on (<by>) group_left () job:together_auth_success:time - 60\n"
        f"  or max by (<by>, instance) ({_FAILED})\n"
        ")",
        "First failures of instances that failed in the last hour; gone ones count until others succeed.",
    ),
    Rule(
        "job:together_auth_failing:ratio",
        "count by (<by>) (instance:together_auth_failing:since)\n/ count by (<by>) (\n"
        "  instance:together_auth_failing:since\n"
        "  or instance:together_auth_success:time > time() - 3600 > on (<by>)\n"
        "    group_left () min by (<by>) (instance:together_auth_failing:since) - 60\n"
        ")",
        "Share of failing instances of all that sent requests since; clocks may differ by a minute.",
    ),
    Rule(
        "job:together_auth_failing:count",
        "sum by (<by>) (\n"
        "  1 + (instance:together_auth_failure:time > bool instance:together_auth_failing:since)\n"
        ")",
        "Number of failures: one for each failing instance, two if it failed again.",
    ),
    Rule(
        "instance_key:together_auth_refused:time",
        f"max by (<by>, instance, together_api_key_fingerprint) (max_over_time(\n  {_REFUSED}[20m]))",
    ),
    Rule(
        "instance_key:together_auth_failure:time",
        "instance_key:together_auth_refused:time\n"
        "or instance:together_auth_failure:time unless on (<by>, instance)\n"
        "  max by (<by>, instance) (instance_key:together_auth_refused:time)\n"
        "  >= instance:together_auth_failure:time - 5",
        "The same, including failures without a fingerprint.",
    ),
    Rule(
        "job_key:together_auth_failing:time",
        "max by (<by>, together_api_key_fingerprint) (\n"
        "  instance_key:together_auth_failure:time\n"
        "    >= on (<by>, instance) group_left () instance:together_auth_failing:since - 5\n"
        ")",
    ),
    Rule(
        "job_key:together_auth_refused:time",
        "max by (<by>, together_api_key_fingerprint) (\n"
        "  instance_key:together_auth_failure:time > time() - 300 unless\n"
        f"    max by (<by>, instance, together_api_key_fingerprint) (max_over_time(\n"
        f"      {_ACCEPTED}[20m]))\n"
        "    >= instance_key:together_auth_failure:time\n"
        ")",
        "Keys refused in the last five minutes and not accepted since.",
    ),
    *(
        Rule(
            f"job:together_auth_refused:ratio{window}",
            f"(sum by (<by>) (increase({names.AUTH_FAILURES.prometheus}{{\n"
            f'    {CAUSE}!~"{"|".join(UNUSABLE)}"}}[{window}])\n'
            "  unless on (<by>, instance) instance:together_auth_failure:since) >= 5)\n"
            f"/ sum by (<by>) (increase({names.REQUESTS.prometheus}[{window}]))",
            comment,
        )
        for window, comment in (
            (
                "1m",
                "Share of requests refused in instances that succeed, except for keys that cannot work.",
            ),
            ("5m", ""),
        )
    ),
)
"""Recording rules for the alerts."""

_ROTATION = (
    Rule(
        "job_key:together_key_accepted:time",
        f"max by (<by>, together_api_key_fingerprint) (\n"
        f"  {_ACCEPTED}\n"
        f"  unless on (<by>, instance) count by (<by>, instance) (\n"
        f"    {_ACCEPTED} > time() - 900) > 1\n"
        ")",
        "When a key was last accepted by an instance that uses only one key.",
    ),
    Rule(
        "job_key:together_key_accepted:since",
        "last_over_time(job_key:together_key_accepted:since[1h])\n"
        "  and job_key:together_key_accepted:time\n"
        "or job_key:together_key_accepted:time * 0 + time()",
        "When this was first the case.",
    ),
    Rule(
        "job:together_key_newest:since",
        "max by (<by>) (job_key:together_key_accepted:since > time() - 604800)\n"
        "and count by (<by>) (job_key:together_key_accepted:time > time() - 3600) == 2",
        "When the newer of two keys came into use, if in the last week.",
    ),
)
"""Recording rules for the alert on a stalled key rotation."""

_FAILING = (
    "(job:together_auth_failing:ratio >= <failing_share>\n"
    "  and (max_over_time(job:together_auth_failing:count[15m]) > 1 or job:together_auth_success:time == 0))\n"
    "* on (<by>) group_right () job_key:together_auth_failing:time ^ 0\n"
    "or (job:together_auth_refused:ratio1m >= <failing_share>\n"
    "  or job:together_auth_refused:ratio5m >= <failing_share>)\n"
    "* on (<by>) group_right () job_key:together_auth_refused:time ^ 0"
)
_FAILURE = (
    "max by (<by>, together_api_key_fingerprint) (\n"
    "  instance_key:together_auth_failure:time > time() - 900\n"
    "  or instance_key:together_auth_failure:time\n"
    "    > on (<by>) group_left () job:together_auth_success:time\n"
    ")"
)


def alerts_of(options: Options) -> dict[str, Severity]:
    """Return the alerts that fire if every request's key is refused, with their severities."""
    return {rule.name: options.severities[rule.name] for rule in _alerts(options)}


def group(options: Options) -> Group:
    """Return the alerts on refused keys and the recording rules that they use."""
    return Group("together_auth", (*STATE, *_alerts(options)))


def rotation(options: Options) -> Group:
    """Return the alert on a stalled rotation and its recording rules, evaluated once a minute."""
    alerts = tuple(
        alert(
            options,
            "TogetherKeyRotationStalled",
            "job_key:together_key_accepted:time > time() - 3600\n"
            "  > on (<by>) group_left () job:together_key_newest:since + <rotation_overlap>\n"
            "and job_key:together_key_accepted:since\n"
            "  < on (<by>) group_left () job:together_key_newest:since - 600",
            "An old key is still accepted long after a newer one came into use.",
            f"{JOB} still uses an old Together API key",
            f"The key with fingerprint {{{{ $labels.{FINGERPRINT} }}}} is still accepted"
            f" {options.rotation_overlap / 60:g} minutes after a newer one came into use. Cause: the"
            " rotation did not reach every instance. Restart them, and revoke the old key only then.",
        )
    )
    return Group("together_keys", (*_ROTATION, *alerts) if alerts else (), interval="1m")


def spike(options: Options) -> tuple[Rule, ...]:
    """Return the alert on unusually many failures, for services that always have some failures."""
    now = "job:together_auth_failures:increase5m"
    return (
        Rule(now, f"sum by (<by>) (increase({names.AUTH_FAILURES.prometheus}[5m]))"),
        *alert(
            options,
            "TogetherAuthFailureSpike",
            f"{now} >= 10\nand {now}\n  > <spike_factor> * quantile_over_time(0.5, {now}[1w:1h])",
            "At least ten failures in five minutes, and well above the week's median.",
            f"{JOB} has unusually many Together authentication failures",
            "{{ $value | humanize }} failures in 5m, more than"
            f" {options.spike_factor:g} times the week's median. If callers bring their own keys,"
            " look for one caller; else check what was deployed or rotated.",
        ),
    )


def _alerts(options: Options) -> Iterator[Rule]:
    described = texts.refusal(options)
    yield from alert(
        options,
        "TogetherAuthFailing",
        _FAILING,
        "Instances fail, at least twice or before any success; or requests of others are refused.",
        f"{JOB} fails to authenticate with Together ({{{{ $value | humanizePercentage }}}})",
        described,
    )
    yield from alert(
        options,
        "TogetherAuthFailure",
        _FAILURE,
        "A failure in the last 15 minutes, or one after the service's last success.",
        f"{JOB} had Together authentication failures",
        described,
    )
