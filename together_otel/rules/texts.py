"""What an alert tells a person: Prometheus templates."""

from __future__ import annotations

from collections.abc import Iterator

from together_otel import names
from together_otel.rules.document import Rule
from together_otel.rules.expressions import CAUSE, FINGERPRINT
from together_otel.rules.settings import Dashboard, Options

JOB = "{{ $labels.job }}"


def of(options: Options) -> str:
    """Return what puts matchers of the alert's service into ``$of``."""
    matchers = ",".join(f"{label}=%q" for label in options.group_by)
    labels = " ".join(f"$labels.{label}" for label in options.group_by)
    return f"{{{{ $of := printf `{matchers}` {labels} }}}}"


def ask(query: str, matchers: str = "$of") -> str:
    """Return a pipeline that queries Prometheus, with matchers in place of ``<of>``."""
    return f"query (printf `{query.replace('<of>', '%s')}` {matchers})"


def number(query: str, matchers: str = "$of") -> str:
    """Return the number that a query finds, 0 if it finds none."""
    found = ask(query, matchers)
    return f"{{{{ with {found} }}}}{{{{ . | first | value }}}}{{{{ else }}}}0{{{{ end }}}}"


def refusal(options: Options) -> str:
    """Return the description of a refused key: which, how much of the service, why, what to do."""
    key = f"$labels.{FINGERPRINT}"
    refused = number(
        "count(instance_key:together_auth_failure:timestamp{<of>} > time() - 900)", "$key"
    )
    every = number("count(instance:together_auth_success:timestamp{<of>})")
    failures = number(f"ceil(sum(increase({names.AUTH_FAILURES.prometheus}{{<of>}}[5m])))")
    latest = ask(
        f"sort_desc(max by ({CAUSE}) (max_over_time({names.AUTH_LAST_FAILURE.prometheus}{{<of>}}[20m])))"
    )
    accepted = ask(f"max({names.KEY_LAST_ACCEPTED.prometheus}{{<of>}})", "$key")
    many = f"count(count by ({FINGERPRINT}) (job_key:together_auth_failing:timestamp > time() - 300)) > 2"
    return (
        f"{of(options)}{{{{ $key := printf `%s,{FINGERPRINT}=%q` $of {key} }}}}{{{{ with {key} }}}}the"
        f" key with fingerprint {{{{ . }}}}{{{{ else }}}}a key without fingerprint, or none,"
        f"{{{{ end }}}} is refused in {refused} of {every} instances; {failures} failures in 5m."
        f" {{{{ with {latest} }}}}{{{{ with (. | first).Labels.{CAUSE} }}}}Cause: {{{{ . }}}}."
        f" {_remedies()}{{{{ end }}}}{{{{ end }}}} The log event {names.AUTH_FAILED.name} names the"
        f" variable or argument.{{{{ if {key} }}}}{{{{ with {accepted} }}}} Last accepted at"
        f" {{{{ . | first | value | humanizeTimestamp }}}}.{{{{ end }}}}{{{{ end }}}}"
        f"{{{{ with query `{many}` }}}} {{{{ . | first | value }}}} keys are refused at once: this looks"
        f" like an outage of Together's. See https://status.together.ai before you replace"
        f" any.{{{{ end }}}}"
    )


def _remedies() -> str:
    causes: dict[str, list[str]] = {}
    for cause in names.CAUSES:
        causes.setdefault(names.CAUSE_REMEDIES[cause], []).append(f'"{cause}"')
    parts = (
        f"{{{{ {'else if' if place else 'if'} eq . {' '.join(same)} }}}}{remedy}"
        for place, (remedy, same) in enumerate(causes.items())
    )
    return "".join(parts) + "{{ end }}"


def alert(
    options: Options,
    name: str,
    expr: str,
    comment: str,
    summary: str,
    description: str,
    dashboard: Dashboard,
    *,
    wait: str = "",
) -> Iterator[Rule]:
    """Yield an alert, unless the options have none of that name."""
    severity = options.severities.get(name)
    if severity is None:
        return
    yield Rule(
        name,
        expr,
        comment=comment,
        wait=wait,
        keep=options.keep_firing,
        labels={"severity": severity},
        annotations={
            "summary": summary,
            "description": f"{JOB}: {description}",
            "runbook_url": f"{options.runbook_url}#{name.lower()}",
            "dashboard": f"{options.dashboard_url}together-{dashboard}?var-job={JOB}",
        },
    )
