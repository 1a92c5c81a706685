"""Alerts on log events for Loki's ruler, for processes that exit before they are scraped."""

from collections.abc import Iterator
from dataclasses import replace

from together_otel import names
from together_otel.rules.document import Group, Rule, render
from together_otel.rules.expressions import CAUSE
from together_otel.rules.settings import Options
from together_otel.rules.texts import JOB, alert

_HEADER = """\
Written by dashboards/build.py from together_otel/rules/logs.py. Change it there.

For Loki's ruler, in addition to the rules for Prometheus: a process that ends before it is scraped
and pushes no metrics leaves only its log. These alerts go to the same Alertmanager with the same
labels. A page from Prometheus inhibits the tickets of the same job.

service_name is the label that Loki 3 gives every stream, from OpenTelemetry's service.name or the
workload's name; log shippers add cluster and namespace. Replace labels that your streams do not
have. If the labels are those of the metrics, a job is paged only once. Log lines must be as the
package writes them, after any prefix; the body of an OTLP LogRecord is such a line.
"""
_WINDOW = "15m"
_SOURCE = names.KEY_SOURCE.removeprefix("together.")
_RECOVERED = names.RECOVERY_OUTCOME.removeprefix("together.")


def render_logs(options: Options) -> str:
    """Return the rule file for Loki."""

    def counted(event: names.Event, *stages: str) -> str:
        pipeline = "\n    ".join((*stages, "| label_format job=service_name"))
        lines = f'  {{service_name=~"{options.jobs or ".+"}"}} |= "{event.name} " {pipeline}'
        return f"(count_over_time(\n{lines} [{_WINDOW}]\n))"

    failed = (f'!= " {_RECOVERED}="', f'| regexp " cause=(?P<{CAUSE}>[a-z_]+)"')
    own_key = f'|~ " {_SOURCE}=(environment|none)( |$)"'
    by = ", ".join(options.group_by)
    by_cause = f"{by}, {CAUSE}"
    alerts = (
        *_alert(
            options,
            "TogetherAuthFailingInLogs",
            f"sum by ({by_cause}) {counted(names.AUTH_FAILED, own_key, *failed)} >= 3\n"
            f"unless on ({by})\n"
            f"sum by ({by}) {counted(names.AUTH_RECOVERED)}",
            f"{JOB} fails at each start because of its Together API key: {{{{ $labels.{CAUSE} }}}}",
        ),
        *_alert(
            options,
            "TogetherAuthFailureInLogs",
            f"sum by ({by_cause}) {counted(names.AUTH_FAILED, *failed)} > 0",
            f"{JOB} logged a Together authentication failure: {{{{ $labels.{CAUSE} }}}}",
        ),
    )
    return render(_HEADER, (Group("together_logs", alerts),))


def _alert(options: Options, name: str, expr: str, summary: str) -> Iterator[Rule]:
    description = (
        f"{JOB}: {{{{ $value }}}} log events {names.AUTH_FAILED.name} in {_WINDOW}."
        f" Cause: {{{{ $labels.{CAUSE} }}}}. Each event names the variable or argument at fault, and the remedy."
    )
    for one in alert(options, name, expr, "", summary, description):
        yield replace(one, keep="")  # Loki's ruler does not support keep_firing_for
