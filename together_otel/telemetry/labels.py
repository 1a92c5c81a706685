"""The one door for metric labels: what passes is redacted, valid UTF-8 and bounded.

A label that cannot be written as UTF-8 would end every scrape of the application, and one that
users choose could grow without a bound.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from together_otel.forks import ForkSafeLock
from together_otel.keys import redact
from together_otel.names import (
    ERROR_TYPE_LIMIT,
    MODEL_LIMIT,
    OPERATION_LIMIT,
    OTHER,
    OTHER_ERROR,
    SERVER_LIMIT,
)

if TYPE_CHECKING:
    from together_otel.keys import Secrets

LENGTH = 255
"""Characters of a label; of a longer text, the beginning."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line ends, and halves of characters, which UTF-8 cannot write."""


def clean(text: str, secrets: Secrets = ()) -> str:
    """Return a text as a label: without keys, valid UTF-8, on one line, of bounded length."""
    return _UNSAFE.sub("\ufffd", redact(text, secrets, LENGTH))


class _Values:
    """The values of one label, of which a process has a limited number."""

    def __init__(self, limit: int, other: str = OTHER) -> None:
        self._known: set[str] = set()
        self._limit, self._other = limit, other
        self._lock = ForkSafeLock()

    def __call__(self, text: str, secrets: Secrets) -> str:
        """Return a text's label: what `clean` makes of it, or ``other`` past the limit."""
        if text in self._known:
            return text
        label = clean(text, secrets)
        with self._lock:
            if label not in self._known:
                if len(self._known) >= self._limit:
                    return self._other
                self._known.add(label)
        return label


class LabelDoor:
    """Makes the labels of one process's metrics out of raw values."""

    def __init__(self) -> None:
        self._operations = _Values(OPERATION_LIMIT)
        self._models = _Values(MODEL_LIMIT)
        self._hosts = _Values(SERVER_LIMIT)
        self._errors = _Values(ERROR_TYPE_LIMIT, OTHER_ERROR)
        self._servers: set[tuple[str, int]] = set()

    def operation(self, name: str) -> str:
        """Return the label of an operation."""
        return self._operations(name, ())

    def model(self, name: str | None, secrets: Secrets = ()) -> str | None:
        """Return the label of a model that was asked for or that answered."""
        return self._models(name, secrets) if name else None

    def server(
        self, host: str | None, port: int | None, secrets: Secrets = ()
    ) -> tuple[str | None, int | None]:
        """Return the labels of a server's address and port; past the limit, without the port."""
        if not host:
            return None, None
        label = self._hosts(host, secrets)
        if port is None or label == OTHER:
            return label, None
        if (label, port) not in self._servers:
            if len(self._servers) >= SERVER_LIMIT:
                return label, None
            self._servers.add((label, port))
        return label, port

    def error_type(self, name: str | None) -> str | None:
        """Return the label of an error's type."""
        return self._errors(name, ()) if name else None
