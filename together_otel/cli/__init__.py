"""The command ``together-otel``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

from together_otel.cli import explain
from together_otel.cli.check import command as check_command
from together_otel.cli.doctor import command as doctor_command
from together_otel.cli.drill import command as drill_command
from together_otel.cli.export import command as export_command
from together_otel.cli.output import CannotWrite, complain, prepare
from together_otel.cli.parsing import CANNOT_WRITE, INTERNAL, INTERRUPTED, Parser, without_key
from together_otel.instrumentor import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (check_command, doctor_command, drill_command, export_command, explain)
"""Each has ``add(commands)``: a parser of its own, whose ``run`` returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, see `together_otel.cli.parsing`."""
    prepare()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except CannotWrite as exc:
        complain(f"together-otel: standard output cannot be written: {exc}.\n")
        return CANNOT_WRITE
    except Exception as exc:  # noqa: BLE001 - a traceback's lines may hold a key
        where = extract_tb(exc.__traceback__)[-1]
        complain(
            f"together-otel: {type(exc).__name__} in {Path(where.filename).name}, line"
            f" {where.lineno}: {without_key(str(exc))}. This is a bug: please report it.\n"
        )
        return INTERNAL


def _run(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="together-otel",
        description="Observability for Together AI's Python SDK.",
        epilog="example: together-otel check && python app.py",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_release()}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


def _release() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "(not installed)"
