"""Environment of a drill: no real keys, and its own service name, ports and folders."""

import errno
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.doctor.ports import OTEL_PORT, Port, of_exporter, of_ours
from together_otel.cli.doctor.reach import cannot_bind, serves_ours
from together_otel.cli.doctor.switches import share
from together_otel.keys.formats import is_lookalike, shape_of
from together_otel.names import DRILL_CAUSE, Cause
from together_otel.settings import Settings, folder_of
from together_otel.telemetry.exit_export import resource_in, target
from together_otel.testing.ports import free_port

SUFFIX = "-drill"
SERVICE = "OTEL_SERVICE_NAME"
_RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"
_SERVICE_NAME = "service.name"
_OURS = "TOGETHER_OTEL_"


def port_of(
    environ: Mapping[str, str], settings: Settings, wanted: int | None
) -> tuple[Port | None, str]:
    """Return the port at which the drill is scraped, and why it is not the port in the settings.

    Raises:
        OSError: if the wanted port cannot be bound.
        ValueError: if a port is wanted but metrics are not scraped, or the variable is not a port.
    """
    served = _served(environ, settings, wanted=wanted is not None)
    if served is None:
        return None, ""
    host, number = served.host, served.number
    if wanted is not None:
        if why := cannot_bind(host, wanted):
            raise why
        return served._replace(number=wanted), ""
    why = cannot_bind(host, number) if number else None
    if number and why is None:
        return served, ""
    port = served._replace(number=free_port())
    if why is None:
        return port, ""
    if why.errno == errno.EADDRINUSE:
        whom = "the application" if serves_ours(host, number) else "another program"
        what = f"is in use by {whom}"
    else:
        what = f"cannot be used ({why.strerror})"
    return port, f"port {number} {what}, so the drill uses {port.number}; see --port."


def _served(environ: Mapping[str, str], settings: Settings, *, wanted: bool) -> Port | None:
    """Return the port in the settings, with number 0 if they set none; ``None`` if not scraped."""
    if settings.metrics == "otel":
        exporter = of_exporter(environ)
        if exporter is None and wanted:
            raise ValueError("--port is only for scraped metrics, and these are not scraped")
        return exporter
    leaves = settings.pushgateway is not None or settings.textfile is not None
    if not settings.prometheus_port and leaves and not wanted and not folder_of(environ):
        return None
    return of_ours(replace(settings, prometheus_port=settings.prometheus_port or 0))


def environment(
    environ: Mapping[str, str], cause: Cause, port: Port | None, folder: str
) -> dict[str, str]:
    """Return the environment of a drill's application, except for its key and server.

    It has its own folder in place of the one that the user's processes share.
    """
    resource = resource_in(environ)
    named = environ.get(SERVICE, "").strip() or resource.get(_SERVICE_NAME)
    service = (named or "together") + SUFFIX
    made = {name: value for name, value in environ.items() if _is_harmless(name, value)}
    resource |= {_SERVICE_NAME: service, DRILL_CAUSE: cause}
    made[SERVICE] = service
    made[_RESOURCE] = ",".join(
        # A variable may contain any bytes.
        f"{quote(name, '.', errors='surrogateescape')}={quote(value, errors='surrogateescape')}"
        for name, value in resource.items()
    )
    # As Python does: lower case counts first, and * only alone.
    direct = environ.get("no_proxy", environ.get("NO_PROXY", "")).strip()
    direct = direct if direct == "*" else ",".join(filter(None, (direct, "127.0.0.1,localhost")))
    made["no_proxy"] = made["NO_PROXY"] = direct
    if "prometheus" in exporters_of("metrics", environ):
        made[OTEL_PORT] = "0"  # not the application's port; the drill's own, if any, is set below
    if port is not None:
        made[port.port_variable] = str(port.number)
    if folder_of(environ) is not None:
        # Never the application's folder, as its scrapes would contain the drill's counts.
        share(made, Path(folder) / "metrics")
    if gateway := environ.get(variables.PUSHGATEWAY, "").strip():
        base, job, grouping = target(gateway, service)
        if job != service:  # a group of the drill's own, as a push replaces the whole group
            gateway = url_of_group(base, f"{job}{SUFFIX}", grouping)
        made[variables.PUSHGATEWAY] = gateway
    return made


def _is_harmless(name: str, value: str) -> bool:
    """Return whether a variable contains no key and sets neither a source of keys nor a server."""
    if shape_of(value.strip()) is not None or is_lookalike(name):
        return False
    upper = name.upper()
    # Recovery would look for another key and find a real one.
    return upper != variables.RECOVERY and ("TOGETHER" not in upper or upper.startswith(_OURS))


def url_of_group(base: str, job: str, grouping: Mapping[str, str]) -> str:
    """Return the URL of a group in a Pushgateway."""
    path = [job, *(part for pair in grouping.items() for part in pair)]
    group = "/".join(quote(part, "", errors="surrogateescape") for part in path)
    return f"{base}/metrics/job/{group}"
