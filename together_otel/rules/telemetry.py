"""Alerts of our own telemetry: lost, or with errors."""

from __future__ import annotations

from together_otel import names
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import EVERYWHERE
from together_otel.rules.records import INSTANCES
from together_otel.rules.settings import Options
from together_otel.rules.texts import JOB, alert

STAGE = names.label_of(names.TELEMETRY_STAGE)
_ERRORS = names.TELEMETRY_ERRORS.prometheus
_EVERYWHERE = f"{names.AUTH_FAILURES.prometheus}{{{EVERYWHERE}}}"


def group(options: Options) -> Group:
    """Return alerts of our own absence and errors."""
    return Group(
        "together_telemetry",
        (
            Rule(
                INSTANCES,
                f"count by (<by>) ({_EVERYWHERE})",
                "Processes, or groups of them behind one address, with our metrics.",
            ),
            Rule(
                "job:together_client_instances_expected:count",
                f"{INSTANCES}\n"
                "or last_over_time(job:together_client_instances_expected:count[1h]) and on (<by>) up",
                "The same, remembered for as long as the service has targets.",
            ),
            *alert(
                options,
                "TogetherTelemetryAbsent",
                f"job:together_client_instances_expected:count unless {INSTANCES}",
                "",
                f"{JOB} no longer tells how its Together requests go",
                "its targets are configured, yet none has had together_client metrics for"
                f" {options.absent_for}; a dead key would go unseen. Cause: every scrape fails (up is 0),"
                " or it runs without the instrumentation: look in its log for a port that was taken, and"
                " whether the last deploy dropped opentelemetry-instrument.",
                "fleet",
                wait=options.absent_for,
            ),
            *alert(
                options,
                "TogetherTelemetryErrors",
                f"sum by (<by>, {STAGE}) (\n"
                f"  {_ERRORS}\n"
                f"    unless {_ERRORS} offset 5m and on (<by>, instance)\n"
                f"    {_EVERYWHERE} offset 5m\n"
                f"  or increase({_ERRORS}[5m])\n"
                ") > 0",
                "Errors of five minutes, the first one of a process included.",
                f"together_otel has errors of its own in {JOB}",
                f"{{{{ $value | humanize }}}} errors in 5m at stage {{{{ $labels.{STAGE} }}}}. The"
                " application is not harmed; some of its telemetry is missing. Cause: a bug of ours, or"
                " an SDK newer than we know. The logger together_otel has the traceback, once a process."
                " Report it, with the versions of together and together-otel.",
                "fleet",
            ),
        ),
    )
