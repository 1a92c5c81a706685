"""Alerts on this package's own telemetry: missing, or with errors."""

from together_otel import names
from together_otel.rules.document import Group, Rule
from together_otel.rules.expressions import EVERYWHERE
from together_otel.rules.records import INSTANCES, TELEMETRY_ERRORS
from together_otel.rules.settings import Options
from together_otel.rules.texts import JOB, alert

STAGE = names.label_of(names.TELEMETRY_STAGE)
_ERRORS = names.TELEMETRY_ERRORS.prometheus
_EVERYWHERE = f"{names.AUTH_FAILURES.prometheus}{{{EVERYWHERE}}}"


def group(options: Options) -> Group:
    """Return the alerts on missing telemetry and on this package's own errors."""
    return Group(
        "together_telemetry",
        (
            Rule(INSTANCES, f"count by (<by>) (\n  {_EVERYWHERE})"),
            Rule(
                "job:together_instances:expected",
                f"{INSTANCES} * 0 + time()\n"
                "or last_over_time(job:together_instances:expected[1h]) > time() - 604800\n"
                "  and on (<by>) up",
                "When there last were any, kept for a week while the service has targets.",
            ),
            *alert(
                options,
                "TogetherTelemetryAbsent",
                f"job:together_instances:expected unless {INSTANCES}",
                "",
                f"{JOB} no longer exports Together metrics",
                "Its targets have had no together_client metrics for"
                f" {options.absent_for}: a dead key would go unnoticed. Cause: scrapes fail, a"
                " port is in use (see the log), or a deploy dropped opentelemetry-instrument.",
                wait=options.absent_for,
            ),
            Rule(
                TELEMETRY_ERRORS,
                f"sum by (<by>, {STAGE}) (\n"
                f"  {_ERRORS}\n"
                f"    unless last_over_time({_ERRORS}[1h] offset 5m)\n"
                f"  or increase({_ERRORS}[5m])\n"
                ")",
                "Errors in five minutes, including those of a process before its first scrape.",
            ),
            *alert(
                options,
                "TogetherTelemetryErrors",
                f"{TELEMETRY_ERRORS} > 0",
                "",
                f"together_otel has internal errors in {JOB}",
                f"{{{{ $value | humanize }}}} errors in 5m at stage {{{{ $labels.{STAGE} }}}}. Some"
                " telemetry is missing; the application is not affected. Cause: a bug in together_otel,"
                " or a newer SDK. Report the log line `together_otel failed in` and both versions.",
            ),
        ),
    )
