"""The rules as the rest of this folder uses them; they are made in `alerts`."""

from __future__ import annotations

from alerts import Options, render_alerts, render_recording
from alerts.expressions import SECONDS, failures

__all__ = ["OPTIONS", "RUNBOOK", "YOUNG", "failures", "outputs"]

OPTIONS = Options()
RUNBOOK = OPTIONS.runbook_url
YOUNG = SECONDS
"""Seconds; the window of `failures` in the arithmetic of timestamps."""


def outputs() -> dict[str, str]:
    """Return the text of each file of rules by its name."""
    return {"alerts.yaml": render_alerts(OPTIONS), "recording.yaml": render_recording(OPTIONS)}
