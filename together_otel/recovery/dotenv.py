"""Parser of ``.env`` files that reads them as the installed python-dotenv does."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

from together_otel.keys.reader import variables_of

DOTENV_LARGEST: Final = 1024 * 1024
"""Maximum size of a ``.env`` file in bytes."""


@dataclass(frozen=True, slots=True)
class Dotenv:
    """The variables that ``load_dotenv()`` would set, and lines that are no assignments.

    The last value counts if a name is repeated; names without ``=`` are left out. ``skipped`` has
    the numbers of the lines where text begins that is not an assignment.
    """

    values: Mapping[str, str] = field(repr=False)
    skipped: tuple[int, ...] = ()


def parse(text: str, environ: Mapping[str, str]) -> Dotenv:
    """Parse the text of a ``.env`` file; ``${NAME}`` is looked up in ``environ`` first."""
    from dotenv.parser import parse_stream  # noqa: PLC0415 - few applications need it
    from dotenv.variables import parse_variables  # noqa: PLC0415 - few applications need it

    values: dict[str, str | None] = {}
    # python-dotenv's own resolve_variables() copies both mappings for each line.
    known = ChainMap[str, "str | None"](dict(variables_of(environ)), values)
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
