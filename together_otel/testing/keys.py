"""Random keys for tests, and detection of them in text."""

import secrets
from collections.abc import Mapping

from together_otel.keys import redact
from together_otel.keys.known import PART_LENGTH


class MadeUpKeys:
    """Generates keys and remembers them."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def together(self) -> str:
        """Return a new key in Together's format."""
        return self._make("tgp_" + "v1_", secrets.token_urlsafe(32))

    def other_provider(self) -> str:
        """Return a new key in OpenAI's format."""
        return self._make("sk" + "-", secrets.token_hex(24))

    def _make(self, public: str, secret: str) -> str:
        self._known[public + secret] = secret
        return public + secret

    def redact(self, text: str) -> str:
        """Return the text with all keys redacted."""
        return redact(text, list(self._known))

    def shown_in(self, texts: Mapping[str, str]) -> list[str]:
        """Return the names of the texts that contain eight consecutive characters of any key."""
        stretches = {
            secret[place : place + PART_LENGTH]
            for secret in self._known.values()
            for place in range(len(secret) - PART_LENGTH + 1)
        }
        return [
            name for name, text in texts.items() if any(stretch in text for stretch in stretches)
        ]
