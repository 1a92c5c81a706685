"""Both files of rules, put together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from together_otel.rules import authentication, keys, recording, requests, telemetry
from together_otel.rules.document import Group, render
from together_otel.rules.expressions import fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from together_otel.rules.settings import Options

_ALERTS = """\
Alerts of together_otel's metrics, for Prometheus 2.42 or newer. Written by together-otel export, which
has settings for what is to be otherwise: --show-settings. This file needs no other one.

The metrics say when each process last failed to authenticate, and when it last succeeded. A series is
named after what is left of the labels, the metric and the operation; job stands for a service, told apart
by the labels that the rules group by. Clocks may differ by 45 s.
"""

_RECORDING = """\
Series that keep dashboards of a large fleet quick; no alert needs them. Written by together-otel export.
"""


def alert_groups(options: Options) -> tuple[Group, ...]:
    """Return the groups of ``alerts.yaml``, those that wake somebody up first."""
    return _filled(
        (
            authentication.group(options),
            requests.outage(options),
            keys.group(options),
            telemetry.group(options),
            requests.service(options),
        ),
        options,
    )


def recording_groups(options: Options) -> tuple[Group, ...]:
    """Return the groups of ``recording.yaml``."""
    return _filled(recording.GROUPS, options)


def render_alerts(options: Options) -> str:
    """Return ``alerts.yaml``."""
    return render(_ALERTS, alert_groups(options))


def render_recording(options: Options) -> str:
    """Return ``recording.yaml``."""
    return render(_RECORDING, recording_groups(options))


def _filled(groups: Iterable[Group], options: Options) -> tuple[Group, ...]:
    return tuple(
        replace(
            group,
            rules=tuple(replace(rule, expr=fill(rule.expr, options)) for rule in group.rules),
        )
        for group in groups
    )
