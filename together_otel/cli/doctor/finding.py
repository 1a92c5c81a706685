"""What the doctor reports."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One result.

    Attributes:
        level: ``problem`` where telemetry is lost, ``warning`` where it may be.
        about: what was checked, in a word or two.
        text: one sentence.
        fix: one sentence or command; empty where there is nothing to fix.
    """

    level: Level
    about: str
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Topic:
    """What is checked, in a word or two, and what may be found of it."""

    about: str

    def ok(self, text: str) -> Finding:
        """Return a result without a problem."""
        return Finding("ok", self.about, text)

    def warning(self, text: str, fix: str) -> Finding:
        """Return a result that may be intended."""
        return Finding("warning", self.about, text, fix)

    def problem(self, text: str, fix: str) -> Finding:
        """Return a result that means that telemetry is lost."""
        return Finding("problem", self.about, text, fix)
