"""``.env`` files, as the installed python-dotenv reads them."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

DOTENV_LARGEST: Final = 1024 * 1024
"""Bytes; what is larger is no such file."""


@dataclass(frozen=True, slots=True)
class Dotenv:
    """The variables that ``load_dotenv()`` would set.

    Attributes:
        values: by name; of a name that is there twice, the last. A name without ``=`` has none.
        skipped: numbers of the lines at which something begins that is no assignment.
    """

    values: Mapping[str, str] = field(repr=False)
    skipped: tuple[int, ...] = ()


def parse(text: str, environ: Mapping[str, str]) -> Dotenv:
    """Read the text of a ``.env`` file.

    Args:
        text: ``NAME=value`` lines.
        environ: variables that are set already; ``${NAME}`` means these first.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - few applications ever read one
    from dotenv.variables import parse_variables  # noqa: PLC0415 - the same

    values: dict[str, str | None] = {}
    # Looked up in place: python-dotenv's own resolve_variables() copies both for each line.
    known = ChainMap[str, "str | None"]({**environ}, values)
    skipped = []
    for found in parse_stream(StringIO(text, newline=None)):
        if found.error:
            text = found.original.string
            blank = text[: len(text) - len(text.lstrip())]
            skipped.append(found.original.line + blank.count("\n"))
        elif found.key is not None:
            values[found.key] = found.value and "".join(
                atom.resolve(known) for atom in parse_variables(found.value)
            )
    return Dotenv(
        {name: value for name, value in values.items() if value is not None}, tuple(skipped)
    )
