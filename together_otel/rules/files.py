"""Both files of rules, put together."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from together_otel.rules import authentication, keys, recording, recoveries, service
from together_otel.rules.document import Group, render

if TYPE_CHECKING:
    from together_otel.rules.settings import Options

_ALERTS = """\
Written by dashboards/build.py from together_otel/names.py and together_otel/rules/settings.py.
Change it there.

Prometheus 2.42 or newer: rule_files: [alerts.yaml, recording.yaml]. Made for scrape and
evaluation intervals of 15 s; the first refused request is a page within 45 s of Prometheus' own
time. Clocks of the targets and of Prometheus may differ by a minute, not more.

This file needs no other one: the series that its alerts share are recorded here, in the group of
the alerts and before them, so that an alert sees what was recorded at the same moment.
"""

_RECORDING = """\
Written by dashboards/build.py from together_otel/names.py. Change it there.

Series that keep dashboards of a large fleet quick; no alert needs them. The names say what is
kept of the labels (level), what was counted (metric), and how (operation). Those that the alerts
use are recorded in alerts.yaml and may be used as well:
{names}
"""

_INDENT = " " * 4


def groups(options: Options) -> tuple[Group, ...]:
    """Return the groups of alerts, those that wake somebody up first."""
    return (
        authentication.group(options),
        *keys.groups(options),
        recoveries.group(options),
        service.telemetry(options),
        service.service(options),
    )


def render_alerts(options: Options) -> str:
    """Return ``alerts.yaml``."""
    return render(_ALERTS, groups(options))


def render_recording(options: Options) -> str:
    """Return ``recording.yaml``."""
    recorded = [
        f"  {rule.name}\n{textwrap.fill(rule.comment, 98, initial_indent=_INDENT, subsequent_indent=_INDENT)}"
        for group in groups(options)
        for rule in group.rules
        if rule.comment
    ]
    return render(_RECORDING.format(names="\n".join(recorded)), recording.groups(options))
