"""Texts that a drill prints before its start and after its end."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.doctor.ports import Port, is_loopback
from together_otel.cli.drill.environment import SERVICE, url_of_group
from together_otel.cli.drill.runner import Outcome
from together_otel.cli.output import paint
from together_otel.clients.addresses import in_url
from together_otel.names import CAUSE_MEANINGS, DRILL_CAUSE, DRILL_ENDED, DRILL_STARTED, Cause
from together_otel.plain.spelling import count_of
from together_otel.rules import Options, alerts_of
from together_otel.settings import Settings, host_of
from together_otel.telemetry.exit_export import target, textfile

_SHORT = 60.0
"""Seconds of Prometheus's default scrape interval. A shorter drill may not be scraped."""


@dataclass(frozen=True)
class Announcement:
    """Description of one drill; ``note`` says why the port is not the one in the settings."""

    cause: Cause
    duration: float
    settings: Settings
    environ: Mapping[str, str]
    port: Port | None
    note: str

    @property
    def service(self) -> str:
        """Service name of the drill."""
        return self.environ[SERVICE]

    def before(self) -> Iterator[str]:
        """Yield lines about what will happen and where to see it."""
        yield f"Fire drill: {self.cause}, for {self.duration:g} s, as service {self.service}."
        meaning = CAUSE_MEANINGS[self.cause]
        yield f"  {meaning} Keys are made up, and requests stay on this machine."
        for way in self.ways():
            yield f"Metrics: {way}"
        if self.port is not None:
            yield "Prometheus needs a job for it:"
            host = in_url(self.port.host) if is_loopback(self.port.host) else "HOST"
            # A JSON string is a valid YAML string.
            yield "  scrape_configs:"
            yield f"    - job_name: {json.dumps(self.service)}"
            yield "      static_configs:"
            yield f"        - targets: [{json.dumps(f'{host}:{self.port.number}')}]"
            if self.duration < _SHORT:
                yield (
                    f"  {self.duration:g} s may pass between two scrapes: make --duration several"
                    " times the scrape interval, or no alert may fire."
                )
        alerts = self._alerts()
        yield (
            f"Expected alerts: {', '.join(alerts['page']) or 'no page'};"
            f" as tickets, {', '.join(alerts['ticket'])}."
        )
        yield (
            f"To recognize the drill: the job or service is {self.service}, its log events are"
            f" {DRILL_STARTED.name} and {DRILL_ENDED.name}, and its resource has {DRILL_CAUSE}."
        )

    def ways(self) -> Iterator[str]:
        """Yield the ways in which the drill's metrics are exported; none if they are not."""
        port, settings = self.port, self.settings
        if port is not None:
            if self.note:
                yield self.note
            yield f"{port.url}, until the drill ends."
        elif settings.metrics == "otel" and (found := exporters_of("metrics", self.environ)):
            yield f"to OpenTelemetry's exporters: {', '.join(found)}."
        for where, _ in self._left():
            yield f"{where} when the drill ends; alerts fire after that."

    def after(self, outcome: Outcome) -> Iterator[str]:
        """Yield lines about the result and what to clean up."""
        if outcome.started:
            failures = f"{count_of(outcome.failed, 'failure')} of {self.cause}"
            yield f"{failures}, {count_of(outcome.accepted, 'request')} accepted."
        for fault in outcome.faults:
            yield f"{paint('Wrong', 'bad')}: {fault}."
        if not outcome.started:
            yield "The drill did not start."
            return
        if not outcome.faults:
            yield paint("All failures were counted, each with its cause.", "good")
        if self.port is not None:
            yield "Remove the drill's job from Prometheus: its target is gone."
        for _, removal in self._left():
            yield f"After the alerts have arrived: {removal}"

    def as_json(self, outcome: Outcome) -> dict[str, object]:
        """Return the drill and its result, always with the same fields."""
        return {
            "cause": self.cause,
            "service": self.service,
            "duration": self.duration,
            "metrics": list(self.ways()),
            "expected_alerts": self._alerts(),
            "started": outcome.started,
            "failed": outcome.failed,
            "accepted": outcome.accepted,
            "faults": outcome.faults,
        }

    def _alerts(self) -> dict[str, list[str]]:
        alerts = alerts_of(Options())
        return {
            severity: [name for name, level in alerts.items() if level == severity]
            for severity in ("page", "ticket")
        }

    def _left(self) -> Iterator[tuple[str, str]]:
        """Yield where metrics stay after the end of the drill, and the command that removes them."""
        settings = self.settings
        if settings.metrics != "prometheus":
            return
        if settings.pushgateway is not None:
            url = self.environ[variables.PUSHGATEWAY].strip()
            base, job, grouping = target(url, self.service)
            host = host_of(base)  # without a password
            group = url_of_group(urlsplit(base)._replace(netloc=host).geturl(), job, grouping)
            yield f"to the Pushgateway {host}", f"curl -X DELETE {group}"
        if settings.textfile is not None:
            file = textfile(settings.textfile, self.service)
            yield f"into {file}", f"rm {file}"
