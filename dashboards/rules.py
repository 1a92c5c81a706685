"""The rules as the rest of this folder uses them; they are made in `together_otel.rules`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from together_otel.rules import (
    Options,
    alert_groups,
    recording_groups,
    records,
    render_alerts,
    render_recording,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.rules.document import Rule

__all__ = ["OPTIONS", "levels", "outputs", "records"]

OPTIONS = Options()


def outputs() -> dict[str, str]:
    """Return the text of each file of rules by its name."""
    return {"alerts.yaml": render_alerts(OPTIONS), "recording.yaml": render_recording(OPTIONS)}


def levels() -> Iterator[list[Rule]]:
    """Yield the rules that record, those that are made of other series after these.

    What a series remembers of itself is left to whoever evaluates it.
    """
    waiting = [
        rule
        for group in (*alert_groups(OPTIONS), *recording_groups(OPTIONS))
        for rule in group.rules
        if rule.word == "record"
    ]
    while waiting:
        missing = {rule.name for rule in waiting}
        ready = [
            rule
            for rule in waiting
            if not (set(re.findall(r"\w+:\w+:\w+", rule.expr)) & missing) - {rule.name}
        ]
        if not ready:
            raise ValueError(f"rules that are made of each other: {sorted(missing)}")
        yield ready
        waiting = [rule for rule in waiting if rule not in ready]
