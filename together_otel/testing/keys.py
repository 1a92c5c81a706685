"""Keys that nobody owns, made up anew in every run, and where they must not be seen."""

import secrets
from collections.abc import Mapping

from together_otel.keys import redact
from together_otel.keys.known import PART_LENGTH


class MadeUpKeys:
    """Makes keys and remembers them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def together(self) -> str:
        """Make a key of Together's shape."""
        return self._make("tgp_" + "v1_", secrets.token_urlsafe(32))

    def other_provider(self) -> str:
        """Make a key of OpenAI's shape."""
        return self._make("sk" + "-", secrets.token_hex(24))

    def _make(self, public: str, secret: str) -> str:
        self._known[public + secret] = secret
        return public + secret

    def redact(self, text: str) -> str:
        """Return the text with no key in it."""
        return redact(text, list(self._known))

    def shown_in(self, texts: Mapping[str, str]) -> list[str]:
        """Return the names of the texts that show eight characters in a row of any key."""
        stretches = {
            secret[place : place + PART_LENGTH]
            for secret in self._known.values()
            for place in range(len(secret) - PART_LENGTH + 1)
        }
        return [
            name for name, text in texts.items() if any(stretch in text for stretch in stretches)
        ]
