"""What a drill says of itself: before, so that nobody is frightened, and after."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.drill.alerts import alerts_of
from together_otel.cli.drill.environment import SERVICE, url_of_group
from together_otel.names import CAUSE_MEANINGS, DRILL_CAUSE, DRILL_ENDED, DRILL_STARTED
from together_otel.telemetry.exit_export import target, textfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from together_otel.cli.drill.environment import Port
    from together_otel.cli.drill.runner import Outcome
    from together_otel.cli.drill.scenarios import Act
    from together_otel.names import Cause
    from together_otel.settings import Settings

_SHORT = 60.0
"""Seconds, Prometheus' own scrape interval: what is shorter may not be seen at all."""


def announcement(
    cause: Cause,
    duration: float,
    act: Act,
    settings: Settings,
    environ: Mapping[str, str],
    port: Port | None,
) -> Iterator[str]:
    """Yield what is going to happen, and where it is to be seen.

    Args:
        cause: of the failures.
        duration: seconds.
        act: what goes wrong.
        settings: the user's.
        environ: the application's, in which names are the drill's own.
        port: where it is scraped.
    """
    service = environ[SERVICE]
    yield f"Fire drill: {cause}, for {duration:g} s, as service {service}."
    yield f"  {CAUSE_MEANINGS[cause]} Keys are made up, and requests stay on this machine."
    for way in ways(settings, environ, port):
        yield f"Metrics: {way}"
    if port is not None and duration < _SHORT:
        yield (
            f"  {duration:g} s may pass between two scrapes: let --duration be several times the"
            " scrape interval for alerts to come."
        )
    asks = act.asks and (act.fits or settings.preflight != "raise")
    pages, tickets = (
        [one.name for one in alerts_of(cause, asks=asks) if one.severity == severity]
        for severity in ("page", "ticket")
    )
    yield f"Alerts to come: {', '.join(pages) or 'no page'}; as tickets, {', '.join(tickets)}."
    yield (
        f"Responders know it by the job or service, {service}, by the log events"
        f" {DRILL_STARTED.name} and {DRILL_ENDED.name}, and by the resource's {DRILL_CAUSE}."
    )


def ways(settings: Settings, environ: Mapping[str, str], port: Port | None) -> Iterator[str]:
    """Yield how the drill's metrics leave its process, in words; nothing where they do not."""
    service = environ[SERVICE]
    if port is not None and port.taken is not None:
        whom = "the application" if port.by_ours else "another program"
        yield f"port {port.taken} is {whom}'s, so the drill takes {port.number}; see --port."
    if port is not None:
        yield (
            f"{port.url}, until the drill ends. Prometheus needs a job for it: job_name: {service},"
            f" static_configs: [{{targets: ['HOST:{port.number}']}}]."
        )
    elif settings.metrics == "otel" and (exporters := exporters_of("metrics", environ)):
        yield f"to OpenTelemetry's exporters: {', '.join(exporters)}."
    if settings.metrics != "prometheus":
        return
    if settings.pushgateway is not None:
        yield f"to the Pushgateway {_gateway(environ)[0]} when the drill ends; alerts come then."
    if settings.textfile is not None:
        yield f"into {textfile(settings.textfile, service)} when the drill ends; alerts come then."


def _gateway(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return host and port of the gateway, and the URL of the drill's group without a password."""
    base, job, grouping = target(environ[variables.PUSHGATEWAY].strip(), environ[SERVICE])
    parts = urlsplit(base)
    host = parts.netloc.rpartition("@")[2]
    return host, url_of_group(parts._replace(netloc=host).geturl(), job, grouping)


def farewell(
    cause: Cause,
    outcome: Outcome,
    settings: Settings,
    environ: Mapping[str, str],
    port: Port | None,
) -> Iterator[str]:
    """Yield what came of it, and what is left to clear away."""
    if outcome.begun:
        yield f"{outcome.failed} failures of {cause}, {outcome.accepted} requests accepted."
    for fault in outcome.faults:
        yield f"Not as it should be: {fault}."
    if not outcome.begun:
        yield "Nothing went wrong or was told: the drill did not begin."
        return
    if not outcome.faults:
        yield "All of them were counted with their cause."
    if port is not None:
        yield "Take the drill's job out of Prometheus again: its target is gone."
    if settings.metrics != "prometheus":
        return
    if settings.pushgateway is not None:
        yield f"Once the alerts have come: curl -X DELETE {_gateway(environ)[1]}"
    if settings.textfile is not None:
        yield f"Once the alerts have come: rm {textfile(settings.textfile, environ[SERVICE])}"
