"""Checks of OpenTelemetry's exporters: are they set and installed, does their collector respond?"""

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from math import inf

from together_otel.cli.doctor.content import AGGREGATION, EXPLICIT, NO_BUCKETS, TEMPORALITY
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.cli.doctor.installation import CONFIGURATORS, install
from together_otel.cli.doctor.reach import answers
from together_otel.settings import Backend

_EXPORTERS = Topic("exporters")

_PROTOCOLS = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_ENDPOINTS = {
    "otlp_proto_grpc": "http://localhost:4317",
    "otlp_proto_http": "http://localhost:4318",
}
CONFIG_FILE = "OTEL_CONFIG_FILE"
_DELTA = {"delta": "counters and histograms", "lowmemory": "histograms"}
_EXPONENTIAL = "base2_exponential_bucket_histogram"
_SAMPLER = "OTEL_TRACES_SAMPLER"
_FEWER = "spans lose attributes, such as the cause of a failure"
_CUT = "attributes of spans are truncated"
_BOUNDS: dict[str, tuple[float, float, str]] = {
    "OTEL_METRIC_EXPORT_INTERVAL": (
        0,
        300_000,
        "Prometheus treats series as gone that it does not receive for 5 minutes",
    ),
    "OTEL_ATTRIBUTE_COUNT_LIMIT": (32, inf, _FEWER),
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": (32, inf, _FEWER),
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": (64, inf, _CUT),
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": (64, inf, _CUT),
}
"""Minimum, maximum (in ms, attributes or characters) and the effect of values beyond these."""
_LOST = {
    "metrics": "no metrics of Together's calls are exported",
    "traces": "no spans are exported",
    "logs": "LogRecords are not exported; log events go where Python's logging sends them",
}


def variable_of(signal: str) -> str:
    """Return the variable that sets a signal's exporters."""
    return f"OTEL_{signal.upper()}_EXPORTER"


def exporters_of(signal: str, environ: Mapping[str, str]) -> list[str]:
    """Return the entry points of a signal's exporters, as the SDK finds them."""
    # Without the variable, the launcher sets the distro's default, otlp.
    named = environ.get(variable_of(signal), "otlp").strip()
    if not named or named.lower() == "none":
        return []
    protocol = _protocol(signal, environ)
    otlp = _PROTOCOLS.get(protocol, protocol)
    return [otlp if (word := one.strip()) == "otlp" else word for one in named.split(",")]


def _protocol(signal: str, environ: Mapping[str, str]) -> str:
    return _of_otlp("PROTOCOL", signal, environ, "grpc")


def _of_otlp(what: str, signal: str, environ: Mapping[str, str], default: str) -> str:
    """Return an OTLP setting: the signal's own, or else the general one."""
    own, general = (f"OTEL_EXPORTER_OTLP_{whose}{what}" for whose in (f"{signal.upper()}_", ""))
    return (environ.get(own) or environ.get(general) or default).strip()


def exporters(environ: Mapping[str, str], backend: Backend) -> Iterator[Finding]:
    """Check the exporters of all signals."""
    if CONFIG_FILE in environ:
        yield _EXPORTERS.ok(f"{CONFIG_FILE} is set: that file names the exporters.")
        return
    if not entry_points(group=CONFIGURATORS):  # reported by `installation`
        return
    places: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for signal in ("metrics", "traces", "logs"):
        found = exporters_of(signal, environ)
        installed = {one.name for one in entry_points(group=f"opentelemetry_{signal}_exporter")}
        if installed.issuperset(found):
            yield _way(signal, found, environ, backend)
        for one in found:
            if one not in installed and one == _protocol(signal, environ):
                yield _no_protocol(signal, one)
            elif one not in installed:
                missing.setdefault(one, []).append(signal)
            elif one in _ENDPOINTS:
                url = _of_otlp("ENDPOINT", signal, environ, _ENDPOINTS[one])
                places.setdefault(url, []).append(signal)
    yield from (_not_installed(one, signals, environ) for one, signals in missing.items())
    yield from (_collector(url, signals) for url, signals in places.items())


def losses(environ: Mapping[str, str], backend: Backend) -> Iterator[Finding]:
    """Check OTLP settings with which Prometheus loses metrics that pass through a collector."""
    if backend != "otel" or not set(_ENDPOINTS) & set(exporters_of("metrics", environ)):
        return
    temporality = environ.get(TEMPORALITY, "").strip().lower()
    if temporality in _DELTA:
        yield _EXPORTERS.warning(
            f"{TEMPORALITY}={temporality}: {_DELTA[temporality]} are sent as deltas, which the"
            " collector's exporters to Prometheus drop.",
            "Set it to cumulative, or unset it, unless the backend accepts deltas.",
        )
    if environ.get(AGGREGATION, "").strip() == _EXPONENTIAL:
        yield _EXPORTERS.warning(f"{AGGREGATION}={_EXPONENTIAL}: {NO_BUCKETS}", EXPLICIT)


def limits(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check settings of OpenTelemetry's SDK with which it records too little or too rarely."""
    sampler = environ.get(_SAMPLER, "").strip().lower()
    nothing = sampler.endswith("traceidratio") and _number(environ, f"{_SAMPLER}_ARG") == 0
    if sampler.endswith("always_off") or nothing:
        yield _EXPORTERS.warning(
            f"{_SAMPLER}={sampler}: no spans are recorded; metrics and log events are.",
            "Set it to parentbased_always_on, or unset it.",
        )
    for name, (least, most, what) in _BOUNDS.items():
        if not least <= _number(environ, name, least) <= most:
            yield _EXPORTERS.warning(f"{name}={environ[name]}: {what}.", "Unset it.")


def _number(environ: Mapping[str, str], name: str, otherwise: float = inf) -> float:
    try:
        return float(environ[name])
    except (KeyError, ValueError):
        return otherwise


def _way(signal: str, found: list[str], environ: Mapping[str, str], backend: Backend) -> Finding:
    variable = variable_of(signal)
    how = f"{variable}={environ[variable]}" if variable in environ else f"{variable} is not set"
    if found:
        return _EXPORTERS.ok(f"{how}: {signal} go to {', '.join(found)}.")
    if signal == "metrics" and backend == "otel":
        return _EXPORTERS.problem(
            f"{how}: {_LOST[signal]}.",
            "Set OTEL_METRICS_EXPORTER to prometheus or otlp, or TOGETHER_OTEL_PROMETHEUS_PORT to a"
            " free port.",
        )
    what = "metrics are exported by prometheus_client" if signal == "metrics" else _LOST[signal]
    return _EXPORTERS.ok(f"{how}: {what}.")


def _not_installed(name: str, signals: list[str], environ: Mapping[str, str]) -> Finding:
    variables = [variable_of(signal) for signal in signals]
    given = [f"{one}={environ[one]}" for one in variables if one in environ]
    unset = [one for one in variables if one not in environ]
    how = "; without ".join(filter(None, (_and(given), _and(unset))))
    what = (
        install(f"opentelemetry-exporter-{name.replace('_', '-')}")
        if name in {"prometheus", *_ENDPOINTS}
        else "Correct the name, or install the package that provides it"
    )
    others = {one: "prometheus" if one == variable_of("metrics") else "none" for one in variables}
    return _EXPORTERS.problem(
        f"{'With' if given else 'Without'} {how}, the exporter {name} is needed but not"
        " installed: opentelemetry-instrument sets up nothing, and the application runs without"
        " telemetry.",
        f"{what}, or set {_and([f'{one}={value}' for one, value in others.items()])}.",
    )


def _and(words: list[str]) -> str:
    *others, last = words or [""]
    return f"{', '.join(others)} and {last}" if others else last


def _no_protocol(signal: str, name: str) -> Finding:
    return _EXPORTERS.problem(
        f"OTLP has no protocol {name}, which is set to export {signal}:"
        " opentelemetry-instrument sets up nothing, and the application runs without telemetry.",
        f"Set OTEL_EXPORTER_OTLP_PROTOCOL to {' or '.join(_PROTOCOLS)}.",
    )


def _collector(url: str, signals: list[str]) -> Finding:
    whose, variable = _and(signals), "OTEL_EXPORTER_OTLP_ENDPOINT"
    try:
        return answers(_EXPORTERS, "The collector", f" of {whose}", url, variable)
    except ValueError:
        return _EXPORTERS.problem(
            f"The endpoint of {whose} is not a URL with a host.",
            f"Set {variable} to http://HOST:PORT of a collector.",
        )
