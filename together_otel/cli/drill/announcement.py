"""What a drill prints before it starts and after it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.drill.environment import SERVICE, url_of_group
from together_otel.names import CAUSE_MEANINGS, DRILL_CAUSE, DRILL_ENDED, DRILL_STARTED
from together_otel.rules import Options, alerts_of
from together_otel.telemetry.exit_export import target, textfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from together_otel.cli.drill.environment import Port
    from together_otel.cli.drill.runner import Outcome
    from together_otel.cli.drill.scenarios import Scenario
    from together_otel.names import Cause
    from together_otel.settings import Settings

_SHORT = 60.0
"""Seconds, Prometheus' own scrape interval: what is shorter may not be seen at all."""


def announcement(
    cause: Cause,
    duration: float,
    scenario: Scenario,
    settings: Settings,
    environ: Mapping[str, str],
    port: Port | None,
) -> Iterator[str]:
    """Yield what is going to happen, and where to see it.

    Args:
        cause: of the failures.
        duration: seconds.
        scenario: what goes wrong.
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
            f"  {duration:g} s may pass between two scrapes: make --duration several times the scrape"
            " interval, or no alert may fire."
        )
    asks = scenario.asks and (scenario.fits or settings.preflight != "raise")
    alerts = alerts_of(cause, Options(), asks=asks)
    pages, tickets = (
        ", ".join(name for name, level in alerts.items() if level == severity)
        for severity in ("page", "ticket")
    )
    yield f"Expected alerts: {pages or 'no page'}; as tickets, {tickets}."
    yield (
        f"To recognize the drill: the job or service is {service}, its log events are"
        f" {DRILL_STARTED.name} and {DRILL_ENDED.name}, and its resource has {DRILL_CAUSE}."
    )


def ways(settings: Settings, environ: Mapping[str, str], port: Port | None) -> Iterator[str]:
    """Yield how the drill's metrics are exported; nothing if they are not."""
    service = environ[SERVICE]
    if port is not None and port.taken is not None:
        whom = "the application" if port.by_ours else "another program"
        yield f"port {port.taken} is in use by {whom}, so the drill uses {port.number}; see --port."
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
        yield f"to the Pushgateway {_gateway(environ)[0]} when the drill ends; alerts fire after that."
    if settings.textfile is not None:
        yield f"into {textfile(settings.textfile, service)} when the drill ends; alerts fire after that."


def _gateway(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return host and port of the gateway, and the URL of the drill's group without a password."""
    base, job, grouping = target(environ[variables.PUSHGATEWAY].strip(), environ[SERVICE])
    parts = urlsplit(base)
    host = parts.netloc.rpartition("@")[2]
    return host, url_of_group(parts._replace(netloc=host).geturl(), job, grouping)


def conclusion(
    cause: Cause,
    outcome: Outcome,
    settings: Settings,
    environ: Mapping[str, str],
    port: Port | None,
) -> Iterator[str]:
    """Yield the result, and what to clean up."""
    if outcome.started:
        yield f"{outcome.failed} failures of {cause}, {outcome.accepted} requests accepted."
    for fault in outcome.faults:
        yield f"Wrong: {fault}."
    if not outcome.started:
        yield "The drill did not start."
        return
    if not outcome.faults:
        yield "All failures were counted, each with its cause."
    if port is not None:
        yield "Remove the drill's job from Prometheus: its target is gone."
    if settings.metrics != "prometheus":
        return
    if settings.pushgateway is not None:
        yield f"After the alerts have arrived: curl -X DELETE {_gateway(environ)[1]}"
    if settings.textfile is not None:
        yield f"After the alerts have arrived: rm {textfile(settings.textfile, environ[SERVICE])}"
