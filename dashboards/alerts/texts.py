"""What an alert tells a person: Prometheus templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel import names

from .expressions import CAUSE, FINGERPRINT

if TYPE_CHECKING:
    from .settings import Dashboard, Options

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
    if len(causes) == 1:
        return f"{names.CAUSE_MEANINGS[causes[0]]} {names.CAUSE_REMEDIES[causes[0]]}"
    parts = []
    for place, cause in enumerate(causes):
        branch = "if" if place == 0 else "else if"
        parts.append(
            f'{{{{ {branch} eq $labels.{CAUSE} "{cause}" }}}}'
            f"{names.CAUSE_MEANINGS[cause]} {names.CAUSE_REMEDIES[cause]}"
        )
    return "".join(parts) + "{{ end }}"


def annotations(
    options: Options, alert: str, summary: str, description: str, dashboard: Dashboard
) -> dict[str, str]:
    """Return an alert's annotations; its description ends with when the key was last accepted."""
    return {
        "summary": summary,
        "description": f"{JOB}: {description} {last_accepted()}",
        "runbook_url": f"{options.runbook_url}#{alert.lower()}",
        "dashboard": f"{options.dashboard_url}{options.dashboards[dashboard]}?var-job={JOB}",
    }
