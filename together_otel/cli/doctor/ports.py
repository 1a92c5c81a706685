"""Checks of the ports of /metrics: are they free, and can Prometheus reach them?"""

import errno
import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.cli.doctor.reach import cannot_bind, serves_ours, url_of
from together_otel.settings import Settings

_PORT = Topic("port")

OTEL_PORT = "OTEL_EXPORTER_PROMETHEUS_PORT"
OTEL_HOST = "OTEL_EXPORTER_PROMETHEUS_HOST"
_DEFAULT = ("localhost", "9464")
_CONTAINERS = ("/.dockerenv", "/run/.containerenv")
_KUBERNETES = "KUBERNETES_SERVICE_HOST"


class Port(NamedTuple):
    """A port of /metrics, and the variables that set it."""

    host: str
    number: int
    host_variable: str
    port_variable: str

    @property
    def url(self) -> str:
        """URL to scrape from this machine."""
        return url_of(self.host, self.number)


def of_exporter(environ: Mapping[str, str]) -> Port | None:
    """Return the port of OpenTelemetry's Prometheus exporter if it is on.

    Raises `ValueError` if the value of its variable is not a port.
    """
    if "prometheus" not in exporters_of("metrics", environ):
        return None
    host, text = environ.get(OTEL_HOST, _DEFAULT[0]), environ.get(OTEL_PORT, _DEFAULT[1])
    try:
        port = int(text)  # as the exporter does
    except ValueError:
        port = -1
    if not 0 <= port <= variables.LAST_PORT:
        raise ValueError(f"{OTEL_PORT} is not a port")
    return Port(host, port, OTEL_HOST, OTEL_PORT)


def of_ours(settings: Settings) -> Port | None:
    """Return the port at which this package serves metrics, or ``None``."""
    if settings.metrics != "prometheus" or settings.prometheus_port is None:
        return None
    return Port(
        settings.prometheus_host,
        settings.prometheus_port,
        variables.PROMETHEUS_HOST,
        variables.PROMETHEUS_PORT,
    )


def ports(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Check the ports of /metrics."""
    ours = of_ours(settings)
    try:
        theirs = of_exporter(environ)
    except ValueError:
        theirs = None
        yield _PORT.problem(
            f"{OTEL_PORT} is not a port: opentelemetry-instrument sets up nothing.",
            f"Set {OTEL_PORT} to a number, 1 to {variables.LAST_PORT}; 9464 is the default.",
        )
    if ours and theirs and ours.number == theirs.number != 0:
        yield _PORT.problem(
            f"{ours.port_variable} and OpenTelemetry's Prometheus exporter both use port"
            f" {ours.number}: one of them fails.",
            "Set OTEL_METRICS_EXPORTER=none: this package serves the metrics.",
        )
    for one in (ours, theirs):
        if one is not None:
            yield _holder(one)
            if is_loopback(one.host):
                yield _loopback(one, environ)


def _holder(port: Port) -> Finding:
    where = f"port {port.number} of {port.host}"
    if port.number == 0:
        return _PORT.warning(
            f"{port.port_variable}=0 uses another port at each start, which Prometheus cannot know.",
            f"Set {port.port_variable} to a fixed port.",
        )
    why = cannot_bind(port.host, port.number)
    if why is None:
        return _PORT.ok(f"/metrics will be served on {where}, which is free.")
    if why.errno == errno.EADDRINUSE:
        if serves_ours(port.host, port.number):
            return _PORT.ok(
                f"{where.capitalize()} already serves together_otel's metrics: the application"
                " runs."
            )
        return _PORT.problem(
            f"{where.capitalize()} is in use by another program, which does not serve these metrics.",
            f"End that program, or set {port.port_variable} to a free port.",
        )
    if isinstance(why, PermissionError):
        return _PORT.problem(
            f"{where.capitalize()} cannot be used by this user: ports below 1024 are privileged.",
            f"Set {port.port_variable} to a port from 1024 on.",
        )
    return _PORT.problem(
        f"{where.capitalize()} cannot be used: {why.strerror or why}.",
        f"Set {port.host_variable} to an address of this machine, or to 0.0.0.0 for all.",
    )


def is_loopback(host: str) -> bool:
    """Return whether an address is loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback(port: Port, environ: Mapping[str, str]) -> Finding:
    contained = _KUBERNETES in environ or any(Path(name).exists() for name in _CONTAINERS)
    outside = "outside this container" if contained else "on another machine or in another pod"
    return Topic("host").warning(
        f"/metrics is served on {port.host} only: a Prometheus {outside} cannot reach it.",
        f"Set {port.host_variable}=0.0.0.0, unless Prometheus runs next to the application.",
    )
