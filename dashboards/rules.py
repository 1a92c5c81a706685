"""The rules as the rest of this folder uses them; they are made in `together_otel.rules`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from together_otel.rules import Options, records, render_alerts, render_recording
from together_otel.rules.files import alert_groups, recording_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["OPTIONS", "RUNBOOK", "levels", "outputs", "records"]

OPTIONS = Options()
RUNBOOK = OPTIONS.runbook_url


def outputs() -> dict[str, str]:
    """Return the text of each file of rules by its name."""
    return {"alerts.yaml": render_alerts(OPTIONS), "recording.yaml": render_recording(OPTIONS)}


def levels() -> Iterator[Mapping[str, str]]:
    """Yield the recorded series by name, those that are made of others after these.

    Each has its expression; what it remembers of itself is left to whoever evaluates it.
    """
    waiting = {
        rule.name: rule.expr
        for group in (*alert_groups(OPTIONS), *recording_groups(OPTIONS))
        for rule in group.rules
        if rule.word == "record"
    }
    while waiting:
        ready = {
            name: expr
            for name, expr in waiting.items()
            if not (set(re.findall(r"\w+:\w+:\w+", expr)) & waiting.keys()) - {name}
        }
        if not ready:
            raise ValueError(f"rules that are made of each other: {sorted(waiting)}")
        yield ready
        for name in ready:
            del waiting[name]
