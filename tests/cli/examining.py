"""The doctor, asked here, and what it found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from together_otel.cli import main

if TYPE_CHECKING:
    import pytest

GOOD = {
    "OTEL_METRICS_EXPORTER": "console",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
"""A set-up with nothing to complain of."""


class Found(NamedTuple):
    """What the doctor says, and its exit code."""

    code: int
    findings: list[dict[str, str]]

    @property
    def complaints(self) -> list[tuple[str, str]]:
        """Level and topic of what is not well."""
        return [(one["level"], one["about"]) for one in self.findings if one["level"] != "ok"]

    def text(self, about: str) -> str:
        """Return all that is said of a topic, fixes included."""
        return "\n".join(
            f"{one['text']} {one['fix']}" for one in self.findings if one["about"] == about
        )


def examined(capsys: pytest.CaptureFixture[str], *arguments: str) -> Found:
    """Ask the doctor."""
    code = main(["doctor", "--json", *arguments])
    return Found(code, json.loads(capsys.readouterr().out))
