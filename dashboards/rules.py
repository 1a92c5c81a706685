"""The rules as the rest of this folder uses them; they are made in `together_otel.rules`."""

from __future__ import annotations

from together_otel.rules import Options, records, render_alerts, render_recording
from together_otel.rules.expressions import (
    DIRECTION,
    DURATION_BUCKETS,
    DURATION_COUNTS,
    EVERYWHERE,
    TOKENS,
    Sample,
)

__all__ = [
    "DIRECTION",
    "DURATION_BUCKETS",
    "DURATION_COUNTS",
    "EVERYWHERE",
    "OPTIONS",
    "RUNBOOK",
    "TOKENS",
    "YOUNG",
    "Sample",
    "outputs",
    "records",
]

OPTIONS = Options()
RUNBOOK = OPTIONS.runbook_url
YOUNG = 300
"""Seconds that a failure counts as one of now."""


def outputs() -> dict[str, str]:
    """Return the text of each file of rules by its name."""
    return {"alerts.yaml": render_alerts(OPTIONS), "recording.yaml": render_recording(OPTIONS)}
