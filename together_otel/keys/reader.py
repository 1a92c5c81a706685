"""What a client reads from the environment."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from together_otel.names import KEY_VARIABLE, Source


def variables_of(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that are set; unlike ``items()``, never raises if a thread unsets one."""
    for name in list(environ):
        if (value := environ.get(name)) is not None:
            yield name, value


@dataclass(frozen=True, slots=True)
class Reader:
    """What a client reads from the environment.

    ``library`` is the client's package, the value of ``together.client.library``; ``name`` is the
    client's class, as remedies name it. An empty variable may count as unset (``skips_empty``).
    ``stand_in`` is the text that it passes on as a key when it has none, ``given`` the source of a
    key that is in none of the variables.
    """

    library: str
    name: str
    variables: tuple[str, ...] = (KEY_VARIABLE,)
    base_urls: tuple[str, ...] = ()
    custom_headers: str | None = None
    skips_empty: bool = False
    stand_in: str | None = None
    given: Source = "argument"

    def find(self, environ: Mapping[str, str] | None = None) -> tuple[str | None, str | None]:
        """Return the variable that the client reads its key from, and its value."""
        environ = os.environ if environ is None else environ
        values = ((name, environ.get(name)) for name in self.variables)
        held = [(name, value) for name, value in values if value is not None]
        if self.skips_empty:
            held.sort(key=lambda one: not one[1])
        return held[0] if held else (None, None)

    def origin(self, key: object) -> tuple[object, Source]:
        """Return a client's key and its source; ``None`` in place of a stand-in for a missing key.

        A framework may read the key from the environment and pass it on as an argument.
        """
        _, found = self.find()
        if key is None or (key == self.stand_in and found is None):
            return None, "none"
        return key, "environment" if key == found else self.given

    @property
    def is_together(self) -> bool:
        """Whether it reads its key from TOGETHER_API_KEY alone, as Together's SDK does."""
        return self.variables == (KEY_VARIABLE,)

    def listed(self) -> str:
        """Return the variables as a list for a sentence, in order."""
        return ", then ".join(self.variables)

    def base_url(self) -> str:
        """Return the names of the argument and variables that set its base URL."""
        return " or ".join(("base_url", *self.base_urls))


TOGETHER: Final = Reader(
    "together",
    "Together",
    base_urls=("TOGETHER_BASE_URL",),
    custom_headers="TOGETHER_CUSTOM_HEADERS",
)
"""Together's own SDK."""
