"""Findings of the doctor."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """The result of one check: a level, what was checked, a sentence and, unless it is ok, a fix.

    The level is ``problem`` if telemetry is lost, ``warning`` if it may be, or else ``ok``.
    """

    level: Level
    about: str
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Topic:
    """The subject of checks, in a word or two, which creates their findings."""

    about: str

    def ok(self, text: str) -> Finding:
        """Return a finding without a problem."""
        return Finding("ok", self.about, text)

    def warning(self, text: str, fix: str) -> Finding:
        """Return a finding of something that may be intended."""
        return Finding("warning", self.about, text, fix)

    def problem(self, text: str, fix: str) -> Finding:
        """Return a finding of lost telemetry."""
        return Finding("problem", self.about, text, fix)
