"""``together-otel check``: whether the key of this environment can work."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from together_otel.cli.parsing import CANNOT_WORK, GOOD
from together_otel.keys import Refusal, diagnose, inspect_key

if TYPE_CHECKING:
    import argparse

    from together_otel.cli.parsing import Commands
    from together_otel.keys import KeyReport


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="tell whether TOGETHER_API_KEY of this environment can work",
        description="Looks at the key that Together's SDK would take here. Sends nothing.",
        epilog="example: together-otel check --json",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    report = inspect_key()
    can_work = report.usable
    diagnosis = None if can_work else diagnose(report, Refusal("constructor"))
    if options.json:
        found = {
            "can_work": can_work,
            "cause": diagnosis and diagnosis.cause,
            "remedy": diagnosis and diagnosis.remedy,
            **_facts(report),
        }
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        lines = [f"{name:12} {value}" for name, value in _facts(report).items()]
        verdict = f"{diagnosis.cause}: {diagnosis.remedy}" if diagnosis else "The key can work."
        sys.stdout.write("\n".join((*lines, "", verdict, "")))
    return GOOD if can_work else CANNOT_WORK


def _facts(report: KeyReport) -> dict[str, object]:
    hidden = ("identity", "shadows_good_key", "lookalike")
    return {
        field.name: _plain(getattr(report, field.name))
        for field in dataclasses.fields(report)
        if field.name not in hidden and getattr(report, field.name) not in (None, ())
    }


def _plain(value: object) -> object:
    return ", ".join(value) if isinstance(value, tuple) else value
