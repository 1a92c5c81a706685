"""``together-otel export``: writes dashboards, rules and configuration files."""

import argparse
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from together_otel.cli.export.files import FilesExist, files, write_files
from together_otel.cli.export.formats import FORMATS, RULES
from together_otel.cli.export.source import Source
from together_otel.cli.files import read_text
from together_otel.cli.output import complain, write
from together_otel.cli.parsing import CANNOT_WRITE, GOOD, Parser, without_key, write_json
from together_otel.rules import Options
from together_otel.rules.settings import WrongChoice, choose, from_toml, pairs, to_toml, values_of
from together_otel.settings import DEFAULT_RUNBOOK_URL

# Only characters without a special meaning in the files that the URL is inserted into.
_URL = re.compile(r"https?://[\w.-]+(:\d+)?(/[\w./~%+@=,;:&?!-]*)?", re.ASCII)
_UID = re.compile(r"[\w-]{1,40}", re.ASCII)
_JOB = re.compile(r"[\w./:-]+", re.ASCII)

HELP = "write dashboards, alert rules, routes and the runbook"
DESCRIPTION = "Writes dashboards, alert rules, Alertmanager's routes and the runbook."
EPILOG = "example: together-otel export monitoring --only rules --only dashboards"


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.usage = "together-otel export [options] DIR"
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=_folder, help="created if it is missing"
    )
    parser.add_argument(
        "--only",
        choices=FORMATS,
        metavar="FORMAT",
        action="append",
        help=f"any of {', '.join(FORMATS)}",
    )
    parser.add_argument(
        "--runbook-url",
        metavar="URL",
        type=_matching(
            _URL,
            "a URL without an anchor, such as https://wiki.example/together: anchors are added,"
            " one for each alert and cause",
        ),
        default=DEFAULT_RUNBOOK_URL,
        help="URL of your copy of the runbook (default: the project's)",
    )
    parser.add_argument(
        "--datasource",
        metavar="UID",
        type=_matching(
            _UID,
            "a data source's UID of 1 to 40 letters, digits, - and _; Grafana shows it in the URL"
            " of the data source's page",
        ),
        help="Prometheus data source (default: Grafana's own)",
    )
    parser.add_argument(
        "--job",
        metavar="JOB",
        type=_matching(_JOB, "a job's name as Prometheus has it, of letters, digits and . / : - _"),
        action="append",
        default=[],
        help="only this job; may be repeated (default: all)",
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a value of the rules, such as failing_share=0.3",
    )
    parser.add_argument(
        "--severity", metavar="ALERT=HOW", action="append", default=[], help="page, ticket or none"
    )
    parser.add_argument(
        "--group-by", metavar="LABELS", help="labels of a service (default: cluster,namespace,job)"
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with these settings")
    parser.add_argument(
        "--show-settings", action="store_true", help="print all settings as such a file"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")


def run(parser: Parser, options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    rules = _rules(parser, options)
    if options.show_settings:
        if options.json:
            write_json(values_of(rules))
        else:
            write(to_toml(rules))
        return GOOD
    if options.folder is None:
        parser.refuse("the following arguments are required: DIR")
    kinds = options.only or list(FORMATS)
    _refuse_unused(parser, options, kinds)
    jobs = "|".join(job.replace(".", "[.]") for job in options.job)
    made = files(
        kinds,
        Source(replace(rules, jobs=jobs), options.datasource, options.job),
        runbook_url=options.runbook_url,
    )
    try:
        write_files(made, options.folder, force=options.force)
    except FilesExist as exc:
        names = ", ".join(map(str, exc.args))
        parser.refuse(f"{names} would be overwritten: give another DIR, or --force")
    except OSError as exc:
        where = exc.filename or options.folder  # a full disk has no name
        complain(without_key(f"{parser.prog}: cannot write {where}: {exc.strerror}\n"))
        return CANNOT_WRITE
    written = [
        {
            "format": file.kind,
            "path": str(options.folder / file.path),
            "next": FORMATS[file.kind].next_step,
        }
        for file in made
    ]
    if options.json:
        write_json(written)
        return GOOD
    for next_step, group in groupby(written, itemgetter("next")):
        paths = "".join(f"{one['path']}\n" for one in group)
        write(without_key(f"{paths}  next: {next_step}\n"))
    return GOOD


def _refuse_unused(parser: Parser, options: argparse.Namespace, kinds: list[str]) -> None:
    for name in ("datasource", *RULES):
        if getattr(options, name) and not any(name in FORMATS[kind].takes for kind in kinds):
            parser.refuse(f"--{name.replace('_', '-')} has no effect on --only {', '.join(kinds)}")


def _rules(parser: Parser, options: argparse.Namespace) -> Options:
    given: dict[str, Any] = {}
    try:
        if options.config is not None:
            given = from_toml(read_text(options.config))
        given |= pairs(options.set)
        if options.group_by is not None:
            given["group_by"] = options.group_by
        if options.severity:
            before = choose(given).severities
            given["severity"] = {**before, **pairs(options.severity)}
        return choose(given)
    except WrongChoice as exc:
        return parser.refuse(str(exc))
    except ValueError as exc:
        return parser.refuse(f"--config {options.config} cannot be read: {exc}")


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def take(text: str) -> str:
        if pattern.fullmatch(text):
            return text
        raise argparse.ArgumentTypeError(f"expected {expected}")

    return take


def _folder(text: str) -> Path:
    if not text:  # such as a variable of a script that is not set
        raise argparse.ArgumentTypeError("the path is empty: expected a folder or a new name")
    folder = Path(text)
    with suppress(OSError):  # reported when it is written to
        if folder.exists() and not folder.is_dir():
            raise argparse.ArgumentTypeError(
                "a file has this name: expected a folder or a new name"
            )
    return folder
