"""Metric labels: all pass through here to be redacted, made valid UTF-8 and bounded in number.

A label that cannot be encoded in UTF-8 makes every scrape of the application fail, and a label with
values from users would grow without bound.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from together_otel import names
from together_otel.forks import ForkSafeLock
from together_otel.keys import redact

if TYPE_CHECKING:
    from together_otel.keys import Secrets

LENGTH = 255
"""Maximum length of a label in characters; longer texts are cut."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line ends, and lone surrogates, which UTF-8 cannot encode."""


def clean(text: str, secrets: Secrets = ()) -> str:
    """Return a text as a label: redacted, valid UTF-8, on one line and of limited length."""
    return _UNSAFE.sub("\ufffd", redact(text, secrets, LENGTH))


class _Values:
    """The values of one label, limited in number per process."""

    def __init__(self, limit: int, other: str = names.OTHER) -> None:
        self._known: set[str] = set()
        self._limit, self._other = limit, other
        self._lock = ForkSafeLock()

    def __call__(self, text: str | None, secrets: Secrets = ()) -> str | None:
        """Return the label for a text: the result of `clean`, or ``other`` above the limit."""
        if not text or text in self._known:
            return text or None
        label = clean(text, secrets)
        with self._lock:
            if label not in self._known:
                if len(self._known) >= self._limit:
                    return self._other
                self._known.add(label)
        return label


class BoundedLabels:
    """Converts raw values to the labels of one process's metrics; ``None`` for no value."""

    def __init__(self) -> None:
        self.operation: _Values = _Values(names.OPERATION_LIMIT)
        self.model: _Values = _Values(names.MODEL_LIMIT)
        self.error_type: _Values = _Values(names.ERROR_TYPE_LIMIT, names.OTHER_ERROR)
        self._host = _Values(names.SERVER_LIMIT)
        self._servers: set[tuple[str, int]] = set()

    def server(
        self, host: str | None, port: int | None, secrets: Secrets = ()
    ) -> tuple[str | None, int | None]:
        """Return the labels for a server's address and port; above the limit, without the port."""
        label = self._host(host, secrets)
        if label is None or port is None or label == names.OTHER:
            return label, None
        if (label, port) not in self._servers:
            if len(self._servers) >= names.SERVER_LIMIT:
                return label, None
            self._servers.add((label, port))
        return label, port
