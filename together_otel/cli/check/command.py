"""``together-otel check``: checks whether the key of this environment can work."""

import argparse
from collections.abc import Iterator

from together_otel.cli.check.environment import Environment, lookalikes, read_environment
from together_otel.cli.check.outcomes import LiveResult
from together_otel.cli.check.report import Findings, as_json, as_text
from together_otel.cli.output import complain, write
from together_otel.cli.parsing import CANNOT_WORK, GOOD, UNKNOWN, USAGE, Parser
from together_otel.clients.readers import CLIENTS
from together_otel.keys import Reader, Refusal, diagnose, inspect_key
from together_otel.settings import FINGERPRINT

_LISTED = 5

HELP = "check whether the API key of this environment can work"
DESCRIPTION = """\
Checks the key that Together's SDK would use here, or another client, and says
what is wrong with it and how to fix it. Sends nothing without --live, and never
shows the key.
"""
EPILOG = """\
exit codes: 0 the key can work, or was accepted; 1 it cannot, or was refused;
2 not known; 64 the arguments are invalid, or httpx is not installed

example:
  together-otel check --live --env-file .env && python app.py
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--live", action="store_true", help="send one request to Together (5 s at most)"
    )
    parser.add_argument(
        "--env-file",
        metavar="PATH",
        type=read_environment,
        help="read variables that are not set from this .env file",
    )
    parser.add_argument(
        "--client",
        choices=CLIENTS,
        default="together",
        metavar="NAME",
        help=f"check the variables of another client: {', '.join(CLIENTS)}",
    )


def run(_: Parser, options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    around: Environment = options.env_file or read_environment()
    variables = around.variables
    reader = CLIENTS[options.client]
    taken, key = reader.find(variables)
    report = inspect_key(
        environ=variables,
        reader=reader,
        fingerprint=variables.get(FINGERPRINT, "").strip().lower() != "off",
    )
    diagnosis = None if report.usable else diagnose(report, Refusal("constructor"))
    live = None
    if options.live and diagnosis:
        live = LiveResult("not_sent", "was not asked: a key that cannot work is not sent")
    elif options.live:
        try:
            from together_otel.cli.check.request import ask  # noqa: PLC0415 - needs extra `cli`
        except ModuleNotFoundError as exc:
            complain(
                f"together-otel check: --live needs {exc.name}: pip install 'together-otel[cli]'\n"
            )
            return USAGE
        live = ask(key or "", report, variables)
    findings = Findings(
        report,
        taken,
        diagnosis,
        lookalikes(variables, reader),
        list(_notes(around, reader, taken)),
        around,
        live,
    )
    write(as_json(findings) if options.json else as_text(findings))
    return {True: GOOD, False: CANNOT_WORK, None: UNKNOWN}[findings.can_work]


def _notes(around: Environment, reader: Reader, taken: str | None) -> Iterator[str]:
    if around.file is not None:
        if taken in around.names - around.used:
            yield (
                f"The file sets {taken} as well; the environment takes precedence, as with"
                f" python-dotenv."
            )
        elif around.names.isdisjoint(reader.variables):
            yield f"The file does not set {' or '.join(reader.variables)}."
        if any(name.startswith("\ufeff") for name in around.names):
            yield (
                "A byte-order mark at the start of the file is part of its first variable's name for"
                " this release of python-dotenv: save the file as UTF-8 without one."
            )
        if around.skipped:
            lines = ", ".join(map(str, around.skipped[:_LISTED]))
            more = ", ..." if len(around.skipped) > _LISTED else ""
            yield f"Skipped, because it is not NAME=value: line {lines}{more} of the file."
    if any(
        line.partition(":")[0].strip() == "Authorization"
        for line in around.variables.get(reader.custom_headers or "", "").split("\n")
    ):
        yield f"{reader.custom_headers} sets Authorization, which is sent instead of the key."
