"""The command ``together-otel``."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import Any

from together_otel.cli.output import CannotWrite, complain, prepare, write
from together_otel.cli.parsing import CANNOT_WRITE, INTERNAL, INTERRUPTED, Parser, without_key
from together_otel.instrumentor import __version__

COMMANDS = ("check", "demo", "doctor", "drill", "explain", "export")
"""Each is a package with a module ``command``, which has the texts ``HELP``, ``DESCRIPTION`` and
``EPILOG``, ``add(parser)`` for its arguments, and ``run(parser, options)`` for the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, one of `together_otel.cli.parsing`."""
    prepare()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except CannotWrite as exc:
        complain(f"together-otel: standard output cannot be written: {exc}.\n")
        return CANNOT_WRITE
    except Exception as exc:  # noqa: BLE001 - a traceback may contain a key
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
    release = __version__ or "(not installed)"
    parser.add_argument("--version", action="version", version=f"%(prog)s {release}")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        metavar="SHELL",
        help="print what completes commands in bash, zsh or tcsh",
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    words = sys.argv[1:] if arguments is None else arguments
    # Load only the command that is run.
    asked = [one for one in words[:1] if one in COMMANDS] or COMMANDS
    for name in asked:
        command = import_module(f"{__name__}.{name}.command")
        own = commands.add_parser(
            name, help=command.HELP, description=command.DESCRIPTION, epilog=command.EPILOG
        )
        command.add(own)
        own.add_argument("--json", action="store_true", help="print the result as JSON")
        own.set_defaults(run=partial(command.run, own))
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


class _Completion(argparse.Action):
    """Prints a shell's completion script."""

    def __call__(self, parser: Any, _namespace: object, shell: Any, _option: object = None) -> None:
        try:
            import shtab  # noqa: PLC0415 - requires the extra `cli`
        except ImportError:
            parser.refuse("completion needs shtab: pip install 'together-otel[cli]'")
        write(shtab.complete(parser, shell))
        parser.exit()
