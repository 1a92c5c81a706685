"""What all commands share: exit codes, and a parser whose errors contain no key."""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from together_otel.cli.output import complain, write
from together_otel.keys import escape_controls, redact
from together_otel.keys.formats import OPAQUE, is_lookalike
from together_otel.names import KEY_VARIABLE
from together_otel.plain.spelling import did_you_mean

GOOD = 0
CANNOT_WORK = 1
"""The key cannot work or was refused, or something is wrong with the set-up."""
UNKNOWN = 2
"""The result could not be determined."""
USAGE = 64
"""``EX_USAGE`` of sysexits.h: the arguments are invalid."""
INTERNAL = 70
"""``EX_SOFTWARE`` of sysexits.h: a bug."""
CANNOT_WRITE = 73
"""``EX_CANTCREAT`` of sysexits.h: a file, or standard output, cannot be written."""
INTERRUPTED = 130
"""What shells report after Ctrl-C."""


def keys_in(variables: Mapping[str, str]) -> list[str]:
    """Return what the variables hold that keys are looked for in."""
    names = (KEY_VARIABLE, "HF_TOKEN")
    return [value for name, value in variables.items() if name in names or is_lookalike(name)]


def without_key(text: str) -> str:
    """Return a text without keys: those of a known shape, and all of this environment's."""
    return redact(text, keys_in(os.environ))


def write_json(found: object) -> None:
    """Print what a command found as JSON, without keys."""
    write(without_key(json.dumps(found, indent=2)) + "\n")


class _Help(argparse.HelpFormatter):
    """Help of 80 columns, whatever the terminal has; texts of several lines stay as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=80)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """Exits with 64 if the arguments are invalid, and names the nearest valid one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)

    def error(self, message: str) -> NoReturn:
        """Report what is wrong with the arguments, without anything that may be a key."""
        wrong = re.search(r"(?:invalid choice: '|unrecognized arguments: )([^\s'=]+)", message)
        choices = (one for action in self._actions for one in action.choices or ())
        known = {*self._option_string_actions, *map(str, choices)}
        hint = did_you_mean(wrong[1], known) if wrong else "."
        self.refuse(re.sub(OPAQUE, lambda found: f"({len(found[0])} characters)", message), hint)

    def refuse(self, message: str, hint: str = ".") -> NoReturn:
        """Report what is wrong, and how to get help."""
        self.print_usage(sys.stderr)
        wrong = escape_controls(without_key(message))
        self.exit(USAGE, f"{self.prog}: {wrong}{hint} Try {self.prog} --help.\n")

    def give_up(self, why: str) -> int:
        """Say what is missing; return the exit code of a result that is not known."""
        complain(f"{self.prog}: {without_key(why)}.\n")
        return UNKNOWN

    def _print_message(self, message: str, file: object = None) -> None:
        (write if file is sys.stdout else complain)(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; unknown arguments are an error of the command that they were given to."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest
