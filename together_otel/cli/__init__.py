"""The command ``together-otel``: what can be known of a key, and files to watch it with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from together_otel.cli.check import command as check_command
from together_otel.cli.doctor import command as doctor_command
from together_otel.cli.drill import command as drill_command
from together_otel.cli.export import command as export_command
from together_otel.cli.output import outputs
from together_otel.cli.parsing import CANNOT_WRITE, INTERRUPTED, Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (check_command, doctor_command, drill_command, export_command)
"""Each has ``add(commands)``: a parser of its own, whose ``run`` returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, see `together_otel.cli.parsing`."""
    try:
        with outputs() as out:
            code = _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    if out.failed is not None:
        why = out.failed.strerror or type(out.failed).__name__
        sys.stderr.write(f"together-otel: standard output cannot be written: {why}.\n")
        return CANNOT_WRITE
    return code


def _run(arguments: Sequence[str] | None) -> int:
    parser = Parser(
        prog="together-otel",
        description="Observability for Together AI's Python SDK.",
        epilog="example: together-otel check && python app.py",
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code
