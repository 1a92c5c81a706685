"""The command ``together-otel``: what can be known of a key, and files to watch it with."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from together_otel.export import KINDS, NEXT_STEPS, FilesExist, files, write
from together_otel.keys import Refusal, diagnose, inspect_key, redact
from together_otel.settings import DEFAULT_RUNBOOK_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from together_otel.keys import KeyReport

GOOD = 0
CANNOT_WORK = 1
USAGE = 64
"""``EX_USAGE`` of sysexits.h."""
CANNOT_WRITE = 73
"""``EX_CANTCREAT`` of sysexits.h."""

# No character of it means anything in the files that it is put into.
_URL = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./~%+@=,;:&?!-]*)?", re.ASCII)
_UID = re.compile(r"[\w-]{1,40}", re.ASCII)
_JOB = re.compile(r"[\w./:-]+", re.ASCII)


class _Parser(argparse.ArgumentParser):
    """Exits with 64 where the arguments are not understood."""

    def error(self, message: str) -> NoReturn:
        # Anything can be an argument: a key in place of the name of the variable that holds it.
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {redact(message)}. Try {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code.

    0: the key can work, or the files are written. 1: the key cannot. 64: the arguments are not
    understood. 73: a file cannot be written.
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
    export = commands.add_parser(
        "export",
        help="write dashboards, alert rules and what Grafana and Alertmanager are set up with",
        description="Writes Grafana dashboards and their provisioning, Prometheus alert rules, the "
        "same rules as a PrometheusRule for Kubernetes, and Alertmanager's routes and templates.",
        epilog="example: together-otel export monitoring --only rules "
        "--runbook-url https://wiki.example/together",
    )
    export.add_argument("folder", metavar="DIR", type=_folder, help="made if it is missing")
    export.add_argument("--only", choices=KINDS, help="write these, not everything")
    export.add_argument(
        "--runbook-url",
        metavar="URL",
        type=_url,
        default=DEFAULT_RUNBOOK_URL,
        help="where your copy of the runbook is (default: the project's)",
    )
    export.add_argument(
        "--datasource",
        metavar="UID",
        type=_uid,
        help="Prometheus data source that dashboards begin with and that is provisioned (default: "
        "Grafana's default one, and together-prometheus)",
    )
    export.add_argument(
        "--job",
        metavar="JOB",
        type=_job,
        action="append",
        default=[],
        help="job that the rules are for and dashboards begin with; may be given several times "
        "(default: all jobs)",
    )
    export.add_argument("--force", action="store_true", help="overwrite files that exist")
    options = parser.parse_args(arguments)
    if options.command == "check":
        return _check(as_json=options.json)
    return _export(export, options)


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


def _export(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.datasource and options.only not in {None, "dashboards", "grafana-provisioning"}:
        parser.error(f"--datasource is for Grafana, and --only {options.only} writes nothing of it")
    if options.job and options.only in {"alertmanager", "grafana-provisioning"}:
        parser.error(f"--job is for rules and dashboards, and --only {options.only} writes none")
    made = files(
        KINDS if options.only is None else (options.only,),
        runbook_url=options.runbook_url,
        datasource=options.datasource,
        jobs=options.job,
    )
    try:
        write(made, options.folder, force=options.force)
    except FilesExist as exc:
        names = ", ".join(map(str, exc.args))
        parser.error(f"{names} would be overwritten: give another DIR, or --force")
    except OSError as exc:
        sys.stderr.write(f"{parser.prog}: cannot write {exc.filename}: {exc.strerror}\n")
        return CANNOT_WRITE
    for kind in KINDS:
        written = [options.folder / file.path for file in made if file.kind == kind]
        for path in written:
            sys.stdout.write(f"{path}\n")
        if written:
            sys.stdout.write(f"  next: {NEXT_STEPS[kind]}\n")
    return GOOD


def _folder(text: str) -> Path:
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise argparse.ArgumentTypeError("a file has this name: expected a folder, or a new name")
    return folder


def _url(text: str) -> str:
    if _URL.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        "expected a URL without an anchor, such as https://wiki.example/together: anchors are "
        "added, one for each alert and cause"
    )


def _uid(text: str) -> str:
    if _UID.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        "expected a data source's uid, 1 to 40 letters, digits, - and _; Grafana shows it in the "
        "address of the data source's page"
    )


def _job(text: str) -> str:
    if _JOB.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        "expected a job's name as Prometheus has it, of letters, digits and . / : - _"
    )


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
