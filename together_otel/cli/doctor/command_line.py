"""The application's command line: the variables that it sets and the programs that it starts."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.cli.doctor.installation import launcher, otel_variables
from together_otel.cli.parsing import Parser

_COMMAND = Topic("command")

_LAUNCHER = "opentelemetry-instrument"
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_PYTHON = re.compile(r"python[\d.]*")
_FLAGS = re.compile(r"-[bBdEiIOPqRsSuvx]+")
"""Options of Python without an argument."""


class CommandLine(NamedTuple):
    """How an application is started; ``launcher`` is ``opentelemetry-instrument`` as typed."""

    environ: Mapping[str, str]
    words: Sequence[str] = ()
    launcher: str | None = None


def parse(words: Sequence[str], environ: Mapping[str, str]) -> CommandLine:
    """Parse a command line as a shell and ``opentelemetry-instrument`` do.

    If the latter refuses it, the process exits with a usage error.
    """
    made, rest = dict(environ), list(words)
    while rest and (rest[0] == "env" or _ASSIGNMENT.fullmatch(rest[0])):
        name, is_set, value = rest.pop(0).partition("=")
        if is_set:
            made[name] = value
    if not rest or Path(rest[0]).name != _LAUNCHER:
        return CommandLine(made, rest)
    parser = Parser(
        prog=_LAUNCHER, usage=f"{_LAUNCHER} [--SETTING VALUE ...] COMMAND ...", add_help=False
    )
    for name in otel_variables():
        flag = re.sub("OTEL_(PYTHON_)?", "", name).lower()
        parser.add_argument(f"--{flag}", dest=name)
    parser.add_argument("command")
    parser.add_argument("arguments", nargs="...")
    found = vars(parser.parse_args(rest[1:]))
    rest[1:] = [found.pop("command"), *found.pop("arguments")]
    made |= {name: value for name, value in found.items() if value is not None}
    return CommandLine(made, rest[1:], rest[0])


def started(line: CommandLine) -> Iterator[Finding]:
    """Check the programs that a command line starts."""
    if line.launcher is None:
        yield _COMMAND.warning(
            f"The command does not start with {_LAUNCHER}: nothing is instrumented unless the application"
            " calls together_otel.instrument().",
            f"{_LAUNCHER} {shlex.join(line.words)}",
        )
    elif (program := shutil.which(line.launcher)) is None or Path(program) != launcher():
        yield _COMMAND.problem(
            f"{line.launcher} is {program or 'not found'}, which does not belong to"
            f" {sys.executable}: this report is about the latter.",
            f"Start {launcher() or _LAUNCHER}, or run together-otel doctor with the other Python.",
        )
    if line.words and shutil.which(line.words[0]) is None:
        yield _COMMAND.problem(
            f"{shlex.quote(line.words[0])} does not exist, or is not on PATH.",
            "Correct the command, or activate the application's environment.",
        )
    elif line.words and _PYTHON.fullmatch(Path(line.words[0]).name):
        script = next((word for word in line.words[1:] if not _FLAGS.fullmatch(word)), "-")
        if not script.startswith("-") and not Path(script).exists():
            yield _COMMAND.warning(
                f"{script} does not exist here.",
                "Correct its path, or run this in the application's folder.",
            )
