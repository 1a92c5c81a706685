"""What all commands share: exit codes, and a parser that repeats no key."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from together_otel.keys import redact
from together_otel.names import KEY_VARIABLE

if TYPE_CHECKING:
    from typing import TypeAlias

GOOD = 0
CANNOT_WORK = 1
"""The key cannot work or was refused, or something is wrong with the set-up."""
UNKNOWN = 2
"""What was asked could not be found out."""
USAGE = 64
"""``EX_USAGE`` of sysexits.h: the arguments are not understood."""
CANNOT_WRITE = 73
"""``EX_CANTCREAT`` of sysexits.h: a file, or standard output, cannot be written."""
INTERRUPTED = 130
"""As shells tell of what Ctrl-C has ended."""


def without_key(text: str) -> str:
    """Return a text without keys: those of a known shape, and this environment's of any."""
    return redact(text, [os.environ.get(KEY_VARIABLE, "")])


class Parser(argparse.ArgumentParser):
    """Exits with 64 where the arguments are not understood."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how to find out what is right."""
        # Anything can be an argument: a key in place of the name of the variable that holds it.
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {without_key(message)}. Try {self.prog} --help.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; what is not known is an error of the command that it was given to."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Parser]  # noqa: SLF001 - it has no public name
