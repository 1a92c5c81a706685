"""The command ``together-otel``: what can be known of a key, and files to watch it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.cli import check, doctor, drill, export
from together_otel.cli.parsing import Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (check, doctor, drill, export)
"""Each has ``add(commands)``: a parser of its own, whose ``run`` returns the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code, see `together_otel.cli.parsing`."""
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
