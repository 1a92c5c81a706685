"""What an alert tells a person: Prometheus templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.rules.expressions import CAUSE, FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.rules.settings import Dashboard, Options

JOB = "{{ $labels.job }}"
SHOWN = 5
"""How many instances a description names."""

_ACCEPTED = names.KEY_LAST_ACCEPTED.prometheus
_REFUSED = names.KEY_LAST_REFUSED.prometheus


def ask(query: str) -> str:
    """Return a pipeline that queries Prometheus about the alert's job, which is ``%[1]q``."""
    return f"printf `{query}` $labels.job | query"


def last_accepted() -> str:
    """Return a sentence of when the key was last accepted: the refused one's, if one is refused.

    Times, not ages: a text that changes at every evaluation is a new text to a person.
    """
    by_key = f"max by ({FINGERPRINT})"
    dead = ask(f"max({by_key} ({_ACCEPTED}{{job=%[1]q}}) < {by_key} ({_REFUSED}{{job=%[1]q}}))")
    any_key = ask(f"max({_ACCEPTED}{{job=%[1]q}})")
    when = "{{ . | first | value | humanizeTimestamp }}"
    return (
        f"{{{{ with {dead} }}}}The key that is refused was last accepted at {when}."
        f"{{{{ else }}}}{{{{ with {any_key} }}}}A key of this job was last accepted at {when}."
        f"{{{{ else }}}}No process of this job that is up has ever had a key accepted."
        f"{{{{ end }}}}{{{{ end }}}}"
    )


def instances(query: str) -> str:
    """Return the first few instances that a query finds, by name."""
    return (
        f"{{{{ range $place, $one := {ask(query)} | sortByLabel `instance` }}}}"
        f"{{{{ if lt $place {SHOWN} }}}}{{{{ if $place }}}}, {{{{ end }}}}"
        f"{{{{ $one.Labels.instance }}}}{{{{ else if eq $place {SHOWN} }}}} and more"
        f"{{{{ end }}}}{{{{ end }}}}"
    )


def remedies(causes: tuple[names.Cause, ...]) -> str:
    """Return what the alert's cause means and what to do about it."""
    told = {
        cause: f"{names.CAUSE_MEANINGS[cause]} {names.CAUSE_REMEDIES[cause]}" for cause in causes
    }
    return told[causes[0]] if len(causes) == 1 else by_label(CAUSE, told)


def by_label(label: str, texts: Mapping[Any, str]) -> str:
    """Return the text of the value that one of the alert's labels has."""
    parts = (
        f'{{{{ {"else if" if place else "if"} eq $labels.{label} "{value}" }}}}{text}'
        for place, (value, text) in enumerate(texts.items())
    )
    return "".join(parts) + "{{ end }}"


def alert_annotations(
    options: Options, alert: str, summary: str, description: str, dashboard: Dashboard
) -> dict[str, str]:
    """Return an alert's annotations; its description ends with when the key was last accepted."""
    return {
        "summary": summary,
        "description": f"{JOB}: {description} {last_accepted()}",
        "runbook_url": f"{options.runbook_url}#{alert.lower()}",
        "dashboard": f"{options.dashboard_url}{options.dashboards[dashboard]}?var-job={JOB}",
    }
