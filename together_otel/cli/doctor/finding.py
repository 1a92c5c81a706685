"""One thing that the doctor found, and its cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        level: ``problem`` where telemetry is lost, ``warning`` where it may be.
        about: what was looked at, in a word or two.
        text: one sentence.
        cure: one sentence or command; empty where nothing is to be done.
    """

    level: Level
    about: str
    text: str
    cure: str = ""


def ok(about: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding("ok", about, text)


def warning(about: str, text: str, cure: str) -> Finding:
    """Return a finding that may be as it is meant to be."""
    return Finding("warning", about, text, cure)


def problem(about: str, text: str, cure: str) -> Finding:
    """Return a finding that telemetry is lost."""
    return Finding("problem", about, text, cure)
