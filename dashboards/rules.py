"""The alert rules, made from the names of `together_otel.names`.

Two things are to be right where a plain ``increase()`` is wrong. The very first failure:
every cause exists at 0 from the start, so the step to 1 is seen. And a failure that no step
shows, because the first scrape of a process came after it: see `failures`.
"""

from __future__ import annotations

from typing import Any

import yaml

from together_otel import names

RUNBOOK = "https://github.com/together-otel/together_otel/blob/main/dashboards/runbook.md"
DASHBOARD = "/d/together-authentication?var-job={{ $labels.job }}"
WINDOW = "5m"
SHORT_WINDOW = "1m"  # four scrapes of 15 s: the least that a rate may look at
LONG_WINDOW = "1h"  # for jobs that ask a few times an hour
YOUNG = 300  # seconds; WINDOW in the arithmetic of timestamps
# Seconds: WINDOW less four scrapes. A refusal's step must not leave the window of increase()
# while the refusal still counts as recent.
RECENT = 240

FAILURES = names.AUTH_FAILURES.prometheus
REQUESTS = names.REQUESTS.prometheus
LAST_REFUSED = names.KEY_LAST_REFUSED.prometheus
ENDED = names.EXIT_TIMESTAMP.prometheus
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
# first refused request is a page within 45 s of Prometheus' own time. Clocks of the targets and
# of Prometheus may differ by a minute, not more.
"""


def failures(selector: str = "", by: tuple[str, ...] = ("job", CAUSE), where: str = "") -> str:
    """Return failures of the last five minutes, those that no step of a counter shows as well.

    A counter shows no step when its first scrape came after the failure, or when a process
    that counted one failure is replaced by another that has counted one. Three facts tell such
    counts from old ones: the process is younger than the window (whose metrics name that:
    Python's own do, except with several processes behind one address), or it left them on its
    exit within the window, or a key was refused in the last minutes although no counter of the
    instance stepped. Without the latter half, one refusal of today would bring back every cause
    that the process has ever counted.

    Args:
        selector: further matchers of the failures.
        by: the labels to keep.
        where: matchers of the targets, for every metric.
    """
    of = f"{FAILURES}{_matchers(where, selector)}"
    every, start, ended, refused = (
        f"{metric}{_matchers(where)}"
        for metric in (FAILURES, "process_start_time_seconds", ENDED, LAST_REFUSED)
    )
    kept = f"sum by ({', '.join(by)})"
    return (
        f"{kept} (increase({of}[{WINDOW}])) > 0\n"
        f"or\n"
        f"{kept} (\n"
        f"  {of} and on (job, instance) (\n"
        f"    time() - {start} < {YOUNG}\n"
        f"    or on (job, instance) time() - {ended} < {YOUNG}\n"
        f"    or on (job, instance) (\n"
        f"      time() - max by (job, instance) ({refused}) < {RECENT}\n"
        f"      unless sum by (job, instance) (increase({every}[{WINDOW}])) > 0\n"
        f"    )\n"
        f"  )\n"
        f") > 0"
    )


def mostly_refused() -> str:
    """Return the jobs most of whose requests are refused.

    One refusal among the acceptances of a slow job is no page: a share counts only with a
    number behind it, or when it is all that the job's processes have ever asked.
    """
    refused = f'{REQUESTS}{{{OUTCOME}="auth_failure"}}'

    def most(window: str, at_least: int) -> str:
        some = f"sum by (job) (increase({refused}[{window}]))"
        every = f"sum by (job) (increase({REQUESTS}[{window}]))"
        return f"{some} / {every} > 0.5 and {some} >= {at_least}"

    return (
        f"  {most(SHORT_WINDOW, 5)}\n"
        f"  or\n"
        f"  {most(WINDOW, 2)}\n"
        f"  or\n"
        f"  {most(LONG_WINDOW, 2)} and sum by (job) (increase({REQUESTS}[{WINDOW}])) < 5\n"
        f"  or\n"
        f"  sum by (job) ({refused}) == sum by (job) ({REQUESTS}) > 0"
    )


def _matchers(*parts: str) -> str:
    given = ",".join(part for part in parts if part)
    return f"{{{given}}}" if given else ""


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
    unusable = f'{CAUSE}=~"{"|".join(UNUSABLE)}"'
    revoked = f'{CAUSE}="revoked"'
    return {
        "groups": [
            {
                "name": "together_auth",
                "rules": [
                    alert(
                        "TogetherAuthFailing",
                        f"(\n{failures()}\n)\nand on (job) (\n{mostly_refused()}\n)",
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
