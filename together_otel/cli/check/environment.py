"""Variables of a process, from its environment and a ``.env`` file."""

import os
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from together_otel.cli.parsing import without_key
from together_otel.keys import KeyReport, Reader, identity_of, inspect_key
from together_otel.keys.formats import is_lookalike
from together_otel.names import KEY_VARIABLE
from together_otel.recovery.dotenv import DOTENV_LARGEST, parse
from together_otel.testing.fetch import within

_PATIENCE: Final = 30.0
"""Timeout of reading a file or a pipe in seconds."""


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
    found = parse(_text(path), environ)
    values, names = {**found.values, **environ}, frozenset(found.values)
    return Environment(values, path, names, names - environ.keys(), found.skipped)


def _text(path: str) -> str:
    if not path:
        raise ArgumentTypeError("the path is empty. Expected the path of a file")
    why = ""
    try:
        # May also be a pipe, such as <(sops decrypt .env), and then waits for its writer.
        data = within(_PATIENCE, partial(_bytes, path))
        text = data.decode()  # releases of python-dotenv differ in handling a byte-order mark
        if len(data) > DOTENV_LARGEST:
            why = "it is larger than 1 MiB"
        elif "\0" in text:
            why = "it is not text"
    except OSError as exc:
        why = exc.strerror or f"could not be read within {_PATIENCE:g} s"
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    if why:  # a key may have been pasted instead of a path
        raise ArgumentTypeError(f"{without_key(path)}: {why}. Expected a file of NAME=value lines")
    return text


def _bytes(path: str) -> bytes:
    with Path(path).open("rb") as opened:
        return opened.read(DOTENV_LARGEST + 1)


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
