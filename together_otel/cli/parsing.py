"""What all commands share: exit codes, and a parser that repeats no key."""

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
"""What was asked could not be found out."""
USAGE = 64
"""``EX_USAGE`` of sysexits.h: the arguments are not understood."""
INTERNAL = 70
"""``EX_SOFTWARE`` of sysexits.h: a fault of ours."""
CANNOT_WRITE = 73
"""``EX_CANTCREAT`` of sysexits.h: a file, or standard output, cannot be written."""
INTERRUPTED = 130
"""As shells tell of what Ctrl-C has ended."""


# Of keys, whatever their shape; not of the names of options and variables.
_OPAQUE = re.compile(r"(?=[\w+=.%~-]*\d)(?=[\w+=.%~-]*[^\W\d_])[\w+=.%~-]{20,}")


def without_key(text: str) -> str:
    """Return a text without keys: those of a known shape, and this environment's of any."""
    return redact(
        text,
        [value for name, value in os.environ.items() if name == KEY_VARIABLE or is_lookalike(name)],
    )


class Parser(argparse.ArgumentParser):
    """Exits with 64 where the arguments are not understood."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, without what may be a key among them."""
        self.refuse(_OPAQUE.sub(lambda found: f"({len(found[0])} characters)", message))

    def refuse(self, message: str) -> NoReturn:
        """Say what is wrong and how to find out what is right."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {without_key(message)}. Try {self.prog} --help.\n")

    def _print_message(self, message: str, file: object = None) -> None:
        (write if file is sys.stdout else complain)(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; what is not known is an error of the command that it was given to."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Parser]  # noqa: SLF001 - it has no public name
