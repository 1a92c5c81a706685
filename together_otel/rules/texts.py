"""What an alert tells a person: Prometheus templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.rules.document import Rule
from together_otel.rules.expressions import CAUSE, FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from together_otel.rules.settings import Dashboard, Options

JOB = "{{ $labels.job }}"
SHOWN = 5
"""How many instances a description names."""


def ask(options: Options, query: str, *labels: str) -> str:
    """Return a pipeline that queries Prometheus about the alert's service.

    Args:
        options: with the labels of a service.
        query: PromQL, with ``<of>`` for the matchers.
        labels: further labels of the alert to match.
    """
    every = (*options.group_by, *labels)
    matchers = ",".join(f"{label}=%q" for label in every)
    given = " ".join(f"$labels.{label}" for label in every)
    return f"printf `{query.replace('<of>', matchers)}` {given} | query"


def number(options: Options, query: str, *labels: str) -> str:
    """Return the number that a query finds, 0 if it finds none."""
    found = ask(options, query, *labels)
    return f"{{{{ with {found} }}}}{{{{ . | first | value }}}}{{{{ else }}}}0{{{{ end }}}}"


def instances(options: Options, query: str, *labels: str) -> str:
    """Return the first few instances that a query finds, by name."""
    return (
        f"{{{{ range $place, $one := {ask(options, query, *labels)} | sortByLabel `instance` }}}}"
        f"{{{{ if lt $place {SHOWN} }}}}{{{{ if $place }}}}, {{{{ end }}}}"
        f"{{{{ $one.Labels.instance }}}}{{{{ else if eq $place {SHOWN} }}}} and more"
        f"{{{{ end }}}}{{{{ end }}}}"
    )


def cause_and_remedy(options: Options) -> str:
    """Return what the last failure's cause means and what to do about it."""
    latest = ask(
        options,
        f"sort_desc(max by ({CAUSE}) (max_over_time({names.AUTH_LAST_FAILURE.prometheus}{{<of>}}[20m])))",
    )
    told = {
        cause: f"{names.CAUSE_MEANINGS[cause]} {names.CAUSE_REMEDIES[cause]}"
        for cause in names.CAUSES
    }
    return (
        f"{{{{ with {latest} }}}}{{{{ $cause := (. | first).Labels.{CAUSE} }}}}"
        f"Cause: {{{{ $cause }}}}. {choice('$cause', told)}{{{{ end }}}}"
    )


def choice(value: str, texts: Mapping[Any, str]) -> str:
    """Return the text of a value."""
    parts = (
        f'{{{{ {"else if" if place else "if"} eq {value} "{one}" }}}}{text}'
        for place, (one, text) in enumerate(texts.items())
    )
    return "".join(parts) + "{{ end }}"


def refusal(options: Options) -> str:
    """Return the description of a refused key: which, how much of the service, why, what to do."""
    mine = "{<of>}"
    key = f"$labels.{FINGERPRINT}"
    refused = number(
        options, f"count(instance_key:together_auth_failure:timestamp{mine} > time() - 900)", FINGERPRINT
    )
    every = number(options, f"count(instance:together_auth_success:timestamp{mine})")
    failures = number(
        options, f"ceil(sum(increase({names.AUTH_FAILURES.prometheus}{mine}[5m])))"
    )
    accepted = ask(options, f"max({names.KEY_LAST_ACCEPTED.prometheus}{mine})", FINGERPRINT)
    many = "count(job_key:together_auth_failing:timestamp) > 2"
    return (
        f"{{{{ with {key} }}}}the key with fingerprint {{{{ . }}}}{{{{ else }}}}a key without"
        f" fingerprint, or none,{{{{ end }}}} is refused in {refused} of {every} instances, with"
        f" {failures} failures in 5m. {cause_and_remedy(options)} The log event"
        f" {names.AUTH_FAILED.name} names the variable or argument at fault."
        f"{{{{ if {key} }}}}{{{{ with {accepted} }}}} This key was last accepted at"
        f" {{{{ . | first | value | humanizeTimestamp }}}}.{{{{ end }}}}{{{{ end }}}}"
        f"{{{{ with query `{many}` }}}} {{{{ . | first | value }}}} keys or services are refused at"
        f" once: that looks like an outage of Together's or of a gateway. See"
        f" https://status.together.ai before you replace keys.{{{{ end }}}}"
    )


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
