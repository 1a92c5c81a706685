"""A client, by what it takes from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from together_otel.names import KEY_VARIABLE, Source


@dataclass(frozen=True, slots=True)
class Reader:
    """A client, by what it takes from the environment.

    Attributes:
        library: its package, the value of ``together.client.library``.
        name: what remedies call it: its class.
        variables: those that it takes its key from, in order.
        base_urls: those that it takes its base URL from.
        custom_headers: the one that it takes further headers from.
        skips_empty: whether an empty variable is as good as none to it.
        stand_in: what it hands on as a key where it has none.
        given: where a key comes from that is of no variable.
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
        """Return the variable that the client takes its key from, and its text.

        Args:
            environ: environment variables; the process's own by default.
        """
        environ = os.environ if environ is None else environ
        held = [(name, environ[name]) for name in self.variables if name in environ]
        if self.skips_empty:
            held.sort(key=lambda one: not one[1])
        return held[0] if held else (None, None)

    def origin(self, key: object) -> tuple[object, Source]:
        """Return the key that somebody gave, and where it came from.

        A framework takes it from the environment and hands it on as an argument.

        Args:
            key: what a client has.
        """
        _, found = self.find()
        if key is None or (key == self.stand_in and found is None):
            return None, "none"
        return key, "environment" if key == found else self.given

    @property
    def is_together(self) -> bool:
        """Whether it reads what Together's SDK reads."""
        return self.variables == (KEY_VARIABLE,)

    def listed(self) -> str:
        """Return the variables as they are listed in a sentence, in order."""
        return ", then ".join(self.variables)

    def base_url(self) -> str:
        """Return what its base URL is set by, as an argument or in the environment."""
        return " or ".join(("base_url", *self.base_urls))


TOGETHER: Final = Reader(
    "together",
    "Together",
    base_urls=("TOGETHER_BASE_URL",),
    custom_headers="TOGETHER_CUSTOM_HEADERS",
)
"""Together's own SDK."""
