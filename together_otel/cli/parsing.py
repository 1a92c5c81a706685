"""Exit codes of all commands, and their argument parser, whose errors contain no key."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from together_otel.cli.output import complain, write
from together_otel.keys import escape_controls, redact
from together_otel.keys.formats import OPAQUE, is_lookalike
from together_otel.names import KEY_VARIABLE
from together_otel.plain.spelling import did_you_mean

GOOD = 0
CANNOT_WORK = 1
"""The key cannot work or was refused, or there is a problem with the set-up."""
UNKNOWN = 2
"""The result could not be determined."""
USAGE = 64
"""``EX_USAGE`` in sysexits.h: the arguments are invalid."""
INTERNAL = 70
"""``EX_SOFTWARE`` in sysexits.h: a bug."""
CANNOT_WRITE = 73
"""``EX_CANTCREAT`` in sysexits.h: a file or stdout cannot be written."""
INTERRUPTED = 130
"""The exit code that shells report after Ctrl-C."""


def keys_in(variables: Mapping[str, str]) -> list[str]:
    """Return the values of variables that may contain a key."""
    names = (KEY_VARIABLE, "HF_TOKEN")
    return [value for name, value in variables.items() if name in names or is_lookalike(name)]


def without_key(text: str) -> str:
    """Redact a text: keys in a known format, and all keys in this environment."""
    return redact(text, keys_in(os.environ))


def write_json(found: object) -> None:
    """Print a command's result as JSON, with keys redacted."""
    write(without_key(json.dumps(found, indent=2)) + "\n")


class _Help(argparse.HelpFormatter):
    """Help with 80 columns on every terminal, which keeps the lines of multi-line texts."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=80)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """Parser that exits with 64 if arguments are invalid, and suggests the nearest valid one."""

    _given: Sequence[str] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def _is_unknown(self, word: str) -> bool:
        option = word.partition("=")[0]
        return word.startswith("--") and not any(
            one.startswith(option) for one in self._option_string_actions
        )

    def error(self, message: str) -> NoReturn:
        """Print the error in the arguments, without text that may be a key, and exit."""
        # argparse reports a missing argument first, even if a misspelt option is the reason.
        if message.startswith("the following arguments are required") and (
            unknown := [one for one in self._given if self._is_unknown(one)]
        ):
            message = f"unrecognized arguments: {' '.join(unknown)}"
        wrong = re.search(r"(?:invalid choice: '|unrecognized arguments: )([^\s'=]+)", message)
        choices = (one for action in self._actions for one in action.choices or ())
        known = {*self._option_string_actions, *map(str, choices)}
        hint = did_you_mean(wrong[1], known) if wrong else "."
        self.refuse(re.sub(OPAQUE, lambda found: f"({len(found[0])} characters)", message), hint)

    def refuse(self, message: str, hint: str = ".") -> NoReturn:
        """Print usage, an error and how to get help, and exit."""
        self.print_usage(sys.stderr)
        wrong = escape_controls(without_key(message))
        self.exit(USAGE, f"{self.prog}: {wrong}{hint} Try {self.prog} --help.\n")

    def give_up(self, why: str) -> int:
        """Print why the result is unknown; return the exit code for that."""
        complain(f"{self.prog}: {without_key(why)}.\n")
        return UNKNOWN

    def _print_message(self, message: str, file: object = None) -> None:
        (write if file is sys.stdout else complain)(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse arguments. Unknown ones are reported by the command that they were given to."""
        self._given = sys.argv[1:] if args is None else args
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest
