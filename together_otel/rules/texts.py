"""Texts of alerts, as Prometheus templates."""

from collections.abc import Iterator

from together_otel import names
from together_otel.rules.document import Rule
from together_otel.rules.expressions import CAUSE, FINGERPRINT
from together_otel.rules.settings import Options
from together_otel.settings import DEFAULT_RUNBOOK_URL

JOB = "{{ $labels.job }}"


def of(options: Options) -> str:
    """Return a template that sets ``$of`` to label matchers of the alert's service."""
    matchers = ",".join(f"{label}=%q" for label in options.group_by)
    labels = " ".join(f"$labels.{label}" for label in options.group_by)
    return f"{{{{ $of := printf `{matchers}` {labels} }}}}"


def ask(query: str, matchers: str = "$of") -> str:
    """Return a template pipeline that queries Prometheus, with matchers in place of ``<of>``."""
    return f"query (printf `{query.replace('<of>', '%s')}` {matchers})"


def number(query: str, matchers: str = "$of") -> str:
    """Return a template for a query's first value, or 0 if its result is empty."""
    return f"{{{{ {ask(f'{query} or vector(0)', matchers)} | first | value }}}}"


def refusal(options: Options) -> str:
    """Return the description of a refused key: key, share of the service, cause and remedy."""
    key = f"$labels.{FINGERPRINT}"
    refused = number("count(instance_key:together_auth_failure:time{<of>} > time() - 900)", "$key")
    every = number("count(instance:together_auth_success:time{<of>})")
    failures = number(f"ceil(sum(increase({names.AUTH_FAILURES.prometheus}{{<of>}}[5m])))")
    latest = ask(
        f"topk(1, max by ({CAUSE}) (max_over_time({names.AUTH_LAST_FAILURE.prometheus}{{<of>}}[20m])))"
    )
    accepted = ask(f"max({names.KEY_LAST_ACCEPTED.prometheus}{{<of>}})", "$key")
    many = (
        f"count(count by ({FINGERPRINT}) (job_key:together_auth_failing:time > time() - 300)) > 2"
    )
    return (
        f"{of(options)}{{{{ $key := printf `%s,{FINGERPRINT}=%q` $of {key} }}}}{{{{ with {key} }}}}The"
        f" key with fingerprint {{{{ . }}}}{{{{ else }}}}A key without fingerprint, or none,"
        f"{{{{ end }}}} is refused in {refused} of {every} instances; {failures} failures in 5m."
        f" {{{{ range {latest} }}}}{{{{ with .Labels.{CAUSE} }}}}Cause: {{{{ . }}}}. {_remedies()}"
        f"{{{{ end }}}}{{{{ end }}}} The log event {names.AUTH_FAILED.name} names the variable or"
        f" argument.{{{{ range {accepted} }}}} Last accepted at"
        f" {{{{ .Value | humanizeTimestamp }}}}.{{{{ end }}}}{{{{ range query `{many}` }}}}"
        f" {{{{ .Value }}}} keys are refused at once, as in an outage of Together's: see"
        f" https://status.together.ai before you replace any.{{{{ end }}}}"
    )


def _remedies() -> str:
    """Return a template for the remedy of the cause ``.``; empty if the cause is unknown."""
    causes: dict[str, list[str]] = {}
    for cause in names.CAUSES:
        causes.setdefault(names.CAUSE_REMEDIES[cause], []).append(cause)
    table = " ".join(f"{', '.join(same)}: {remedy}" for remedy, same in causes.items())
    return (
        f"{{{{ reReplaceAll (printf `^.*?(?:\\b%s\\b[^:.]*: ([^.]*\\.)|$).*` .) `$1` `{table}` }}}}"
    )


def alert(
    options: Options,
    name: str,
    expr: str,
    comment: str,
    summary: str,
    description: str,
    *,
    wait: str = "",
) -> Iterator[Rule]:
    """Yield an alert, unless the options leave it out."""
    severity = options.severities.get(name, "none")
    if severity == "none":
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
            "description": description,
            "runbook_url": f"{DEFAULT_RUNBOOK_URL}#{name.lower()}",
        },
    )
