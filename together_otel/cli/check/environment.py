"""The variables of a process: those of the environment and of a ``.env`` file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from together_otel.keys import KeyReport, Reader, identity_of, inspect_key
from together_otel.keys.formats import is_lookalike
from together_otel.names import KEY_VARIABLE
from together_otel.recovery.dotenv import DOTENV_LARGEST, parse


class UnusableFile(Exception):  # noqa: N818 - it says what is so
    """Why a file cannot be used; the text repeats nothing of its content."""


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
        UnusableFile: when the file cannot be read.
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
        raise UnusableFile("the path is empty")
    try:
        # Pipes as well, whose writer is waited for: <(sops decrypt .env), say.
        with Path(path).open("rb") as opened:
            data = opened.read(DOTENV_LARGEST + 1)
        text = data.decode()  # python-dotenv removes a byte-order mark, or keeps it
    except OSError as exc:
        raise UnusableFile(exc.strerror or type(exc).__name__) from None
    except UnicodeDecodeError:
        raise UnusableFile("it is not text in UTF-8") from None
    except ValueError:
        raise UnusableFile("it cannot be read") from None
    if len(data) > DOTENV_LARGEST:
        raise UnusableFile("it is larger than 1 MiB")
    if "\0" in text:
        raise UnusableFile("it is not text")
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
