"""What all commands share: exit codes, and a parser whose errors contain no key."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from together_otel.cli.output import complain, write
from together_otel.keys import redact
from together_otel.keys.formats import is_lookalike
from together_otel.names import KEY_VARIABLE

if TYPE_CHECKING:
    from typing import TypeAlias

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


# Of keys, whatever their shape; not of the names of options and variables.
_OPAQUE = re.compile(r"(?=[\w+=.%~-]*\d)(?=[\w+=.%~-]*[^\W\d_])[\w+=.%~-]{20,}")


def without_key(text: str) -> str:
    """Return a text without keys: those of a known shape, and all of this environment's."""
    return redact(
        text,
        [value for name, value in os.environ.items() if name == KEY_VARIABLE or is_lookalike(name)],
    )


class Parser(argparse.ArgumentParser):
    """Exits with 64 if the arguments are invalid."""

    def error(self, message: str) -> NoReturn:
        """Report what is wrong with the arguments, without anything that may be a key."""
        self.refuse(_OPAQUE.sub(lambda found: f"({len(found[0])} characters)", message))

    def refuse(self, message: str) -> NoReturn:
        """Report what is wrong, and how to get help."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {without_key(message)}. Try {self.prog} --help.\n")

    def _print_message(self, message: str, file: object = None) -> None:
        (write if file is sys.stdout else complain)(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; unknown arguments are an error of the command that they were given to."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Parser]  # noqa: SLF001 - it has no public name
