"""The variables of a process: those of the environment and of a ``.env`` file."""

import os
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from together_otel.cli.parsing import without_key
from together_otel.keys import KeyReport, Reader, identity_of, inspect_key
from together_otel.keys.formats import is_lookalike
from together_otel.names import KEY_VARIABLE
from together_otel.recovery.dotenv import DOTENV_LARGEST, parse


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of a process, and what a ``.env`` file has of them.

    Attributes:
        variables: by name.
        file: where the file is; ``None`` if there is none.
        names: of the variables that it sets.
        used: those of them that the environment has not.
        skipped: its lines that were not understood.
    """

    variables: Mapping[str, str] = field(repr=False)
    file: str | None = None
    names: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A variable that is set and whose name looks like TOGETHER_API_KEY.

    Attributes:
        variable: its name.
        report: what it holds.
        same_key: whether that is the key of TOGETHER_API_KEY.
    """

    variable: str
    report: KeyReport
    same_key: bool


def read_environment(path: str | None = None) -> Environment:
    """Return the variables that a process started here would have.

    Args:
        path: a ``.env`` file. Variables that are set already take precedence.

    Raises:
        ArgumentTypeError: when the file cannot be read; the text repeats nothing of its content.
    """
    environ = dict(os.environ)
    if path is None:
        return Environment(environ)
    found = parse(_text(path), environ)
    return Environment(
        {**found.values, **environ},
        path,
        frozenset(found.values),
        frozenset(found.values.keys() - environ.keys()),
        found.skipped,
    )


def _text(path: str) -> str:
    if not path:
        raise ArgumentTypeError("the path is empty. Expected the path of a file")
    why = ""
    try:
        # Pipes as well, whose writer is waited for: <(sops decrypt .env), say.
        with Path(path).open("rb") as opened:
            data = opened.read(DOTENV_LARGEST + 1)
        text = data.decode()  # python-dotenv removes a byte-order mark, or keeps it
        if len(data) > DOTENV_LARGEST:
            why = "it is larger than 1 MiB"
        elif "\0" in text:
            why = "it is not text"
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    except ValueError:
        why = "it cannot be read"
    if why:  # a key may have been pasted in the path's place
        raise ArgumentTypeError(f"{without_key(path)}: {why}. Expected a file of NAME=value lines")
    return text


def lookalikes(variables: Mapping[str, str], reader: Reader) -> list[Lookalike]:
    """Return the variables that a client does not take its key from, but might, by name."""
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
