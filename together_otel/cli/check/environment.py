"""Variables of a process, from its environment and a ``.env`` file."""

import os
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field

from together_otel.cli.files import read_text
from together_otel.cli.parsing import without_key
from together_otel.keys import KeyReport, Reader, identity_of, inspect_key
from together_otel.keys.formats import is_lookalike
from together_otel.names import KEY_VARIABLE
from together_otel.recovery.dotenv import parse


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of a process, and which of them come from a ``.env`` file.

    ``names`` are those in the file, ``used`` those of them that the environment does not set, and
    ``skipped`` the numbers of the lines that are not assignments.
    """

    variables: Mapping[str, str] = field(repr=False)
    file: str | None = None
    names: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A variable whose name suggests a Together key, and whether the client takes the same key."""

    variable: str
    report: KeyReport
    same_key: bool


def read_environment(path: str | None = None) -> Environment:
    """Return the variables of this environment, and those of a ``.env`` file that it does not set.

    Raises:
        ArgumentTypeError: if the file cannot be read. The message contains none of its content.
    """
    environ = dict(os.environ)
    if path is None:
        return Environment(environ)
    try:
        # With a byte-order mark, which releases of python-dotenv treat differently.
        text = read_text(path)
    except ValueError as exc:
        raise ArgumentTypeError(
            # A key may have been pasted instead of a path.
            f"{without_key(path)!r}: {exc}. Expected a file of NAME=value lines"
        ) from None
    found = parse(text, environ)
    values, names = {**found.values, **environ}, frozenset(found.values)
    return Environment(values, path, names, names - environ.keys(), found.skipped)


def lookalikes(variables: Mapping[str, str], reader: Reader) -> list[Lookalike]:
    """Return the variables that a client does not read, but whose names suggest a Together key."""
    taken, found = reader.find(variables)
    key = (found or "").strip()
    return [
        Lookalike(
            name,
            inspect_key(value, source="argument", environ={}),
            bool(key) and identity_of(value) == identity_of(key),
        )
        for name, value in sorted(variables.items())
        if name != taken and (name == KEY_VARIABLE or is_lookalike(name))
    ]
