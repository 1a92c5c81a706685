"""The alert rules, made from the names of `together_otel.names`.

Two things are to be right where a plain ``increase()`` is wrong. The very first failure:
every cause exists at 0 from the start, so the step to 1 is seen. A failure before the first
scrape, as of a key missing at start: there is no step then, but what a process of less than
five minutes counts has happened in the last five minutes.
"""

from __future__ import annotations

from typing import Any

import yaml

from together_otel import names

RUNBOOK = "https://github.com/together-otel/together_otel/blob/main/dashboards/runbook.md"
DASHBOARD = "/d/together-authentication?var-job={{ $labels.job }}"
WINDOW = "5m"
SHORT_WINDOW = "1m"  # four scrapes of 15 s: the least that a rate may look at
YOUNG = 300  # seconds; WINDOW in the arithmetic of timestamps

FAILURES = names.AUTH_FAILURES.prometheus
REQUESTS = names.REQUESTS.prometheus
CAUSE = names.label_of(names.AUTH_CAUSE)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
UNUSABLE: tuple[names.Cause, ...] = (
    "missing",
    "empty",
    "malformed",
    "wrong_variable",
    "wrong_provider",
    "not_passed",
)

HEADER = """\
# Written by dashboards/build.py from together_otel/names.py. Change it there.
#
# Prometheus: rule_files: [alerts.yaml]. Made for scrape and evaluation intervals of 15 s; the
# first refused request is a page within 45 s of Prometheus' own time.
"""


def failures(selector: str = "") -> str:
    """Return failures of the last five minutes by job and cause, those before any scrape too."""
    by = f"sum by (job, {CAUSE})"
    young = f"(time() - process_start_time_seconds < {YOUNG})"
    return (
        f"{by} (increase({FAILURES}{selector}[{WINDOW}])) > 0\n"
        f"or\n"
        f"{by} ({FAILURES}{selector} and on (job, instance) {young}) > 0"
    )


def refused_share(window: str) -> str:
    """Return the share of a job's requests that are refused in a window, 0 to 1."""
    refused = f'{REQUESTS}{{{OUTCOME}="auth_failure"}}'
    return (
        f"sum by (job) (increase({refused}[{window}]))"
        f" / sum by (job) (increase({REQUESTS}[{window}]))"
    )


def remedies(causes: tuple[names.Cause, ...]) -> str:
    """Return a template that says what the alert's cause means and what to do about it."""
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


def alert(
    name: str,
    expr: str,
    severity: str,
    summary: str,
    causes: tuple[names.Cause, ...] = names.CAUSES,
) -> dict[str, Any]:
    """Return one rule; its description tells the cause and the remedy."""
    return {
        "alert": name,
        "expr": expr,
        "keep_firing_for": WINDOW,
        "labels": {"severity": severity},
        "annotations": {
            "summary": summary,
            "description": (
                f"{{{{ $labels.job }}}}: cause {{{{ $labels.{CAUSE} }}}}. {remedies(causes)}"
                f" The log event {names.AUTH_FAILED.name} of the job names the variable or"
                f" argument at fault."
            ),
            "runbook_url": f"{RUNBOOK}#{name.lower()}",
            "dashboard": DASHBOARD,
        },
    }


def groups() -> dict[str, Any]:
    """Return the rule file's content."""
    unusable = f'{{{CAUSE}=~"{"|".join(UNUSABLE)}"}}'
    revoked = f'{{{CAUSE}="revoked"}}'
    mostly = f"{refused_share(SHORT_WINDOW)} > 0.5\n  or\n  {refused_share(WINDOW)} > 0.5"
    return {
        "groups": [
            {
                "name": "together_auth",
                "rules": [
                    alert(
                        "TogetherAuthFailing",
                        f"(\n{failures()}\n)\nand on (job) (\n  {mostly}\n)",
                        "page",
                        "Together refuses most requests of {{ $labels.job }}:"
                        f" {{{{ $labels.{CAUSE} }}}}",
                    ),
                    alert(
                        "TogetherKeyRevoked",
                        failures(revoked),
                        "page",
                        "A Together API key of {{ $labels.job }} was revoked or has expired",
                        ("revoked",),
                    ),
                    alert(
                        "TogetherKeyUnusable",
                        failures(unusable),
                        "page",
                        "{{ $labels.job }} has no usable Together API key:"
                        f" {{{{ $labels.{CAUSE} }}}}",
                        UNUSABLE,
                    ),
                    alert(
                        "TogetherAuthFailure",
                        failures(),
                        "ticket",
                        "{{ $labels.job }} had a Together authentication failure:"
                        f" {{{{ $labels.{CAUSE} }}}}",
                    ),
                ],
            }
        ]
    }


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _block)


def render() -> str:
    """Return ``alerts.yaml``."""
    return HEADER + yaml.dump(
        groups(), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )
