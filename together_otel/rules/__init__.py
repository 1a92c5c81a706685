"""Alert and recording rules, a pure function of `Options`.

The rules depend on no file, environment variable or other package, so that they are the same
wherever they are generated.
"""

from collections.abc import Iterable
from dataclasses import replace

from together_otel.rules import authentication, recording, requests, telemetry
from together_otel.rules.authentication import alerts_of
from together_otel.rules.document import Group, render
from together_otel.rules.expressions import fill
from together_otel.rules.settings import Options

__all__ = [
    "Options",
    "alert_groups",
    "alerts_of",
    "recording_groups",
    "render_alerts",
    "render_recording",
]

_ALERTS = """\
Alerts of together_otel, by together-otel export, for Prometheus 2.42 or newer. Series are named
level:metric:operation; the level job has the labels of a service.
"""

_RECORDING = """\
Series that the dashboards query, by together-otel export. No alert needs them.
"""


def alert_groups(options: Options) -> tuple[Group, ...]:
    """Return the groups of ``alerts.yaml``, the most urgent first."""
    return _filled(
        (
            authentication.group(options),
            requests.outage(options),
            authentication.rotation(options),
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
            group, rules=tuple(replace(rule, expr=fill(rule.expr, options)) for rule in group.rules)
        )
        for group in groups
        if group.rules
    )
