"""The command ``together-otel``: what can be known of a key before anything is deployed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import TYPE_CHECKING, NoReturn

from together_otel.keys import Refusal, diagnose, inspect_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from together_otel.keys import KeyReport

GOOD = 0
CANNOT_WORK = 1
USAGE = 64
"""``EX_USAGE`` of sysexits.h."""


class _Parser(argparse.ArgumentParser):
    """Exits with 64 where the arguments are not understood."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}. Try {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    0: the key can work. 1: it cannot. 64: the arguments are not understood.
    """
    parser = _Parser(
        prog="together-otel",
        description="Observability for Together AI's Python SDK.",
        epilog="example: together-otel check && python app.py",
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    check = commands.add_parser(
        "check",
        help="tell whether TOGETHER_API_KEY of this environment can work",
        description="Looks at the key that Together's SDK would take here. Sends nothing.",
        epilog="example: together-otel check --json",
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    return _check(as_json=options.json)


def _check(*, as_json: bool) -> int:
    report = inspect_key()
    can_work = report.usable
    diagnosis = None if can_work else diagnose(report, Refusal("constructor"))
    if as_json:
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


if __name__ == "__main__":
    sys.exit(main())
