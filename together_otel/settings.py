"""Settings, read from the environment once when the instrumentation is turned on."""

import logging
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, cast
from urllib.parse import urlsplit

from together_otel.guard import warn
from together_otel.keys import redact
from together_otel.keys.formats import may_hold_a_key
from together_otel.keys.hosts import hosts_in
from together_otel.keys.reader import variables_of
from together_otel.names import SCOPE, GenAIMetrics
from together_otel.plain.spelling import did_you_mean

_log = logging.getLogger(f"{SCOPE}.settings")

T = TypeVar("T")

METRICS = "TOGETHER_OTEL_METRICS"
HOSTS = "TOGETHER_OTEL_HOSTS"
PROMETHEUS_PORT = "TOGETHER_OTEL_PROMETHEUS_PORT"
PROMETHEUS_HOST = "TOGETHER_OTEL_PROMETHEUS_HOST"
PUSHGATEWAY = "TOGETHER_OTEL_PUSHGATEWAY"
TEXTFILE = "TOGETHER_OTEL_TEXTFILE"
MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
PREFLIGHT = "TOGETHER_OTEL_PREFLIGHT"
FINGERPRINT = "TOGETHER_OTEL_FINGERPRINT"
LOG_INTERVAL = "TOGETHER_OTEL_LOG_INTERVAL"
RUNBOOK_URL = "TOGETHER_OTEL_RUNBOOK_URL"
RECOVERY = "TOGETHER_OTEL_RECOVERY"
GENAI_METRICS = "TOGETHER_OTEL_GENAI_METRICS"
CHUNK_TIMES = "TOGETHER_OTEL_CHUNK_TIMES"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

DEFAULT_RUNBOOK_URL = (
    "https://github.com/together-otel/together_otel/blob/main/dashboards/runbook.md"
)


Backend = Literal["otel", "prometheus", "none"]
Preflight = Literal["warn", "raise", "off"]

LAST_PORT = 65_535
_RECOVERIES = {"file": True, "command": True, "environment": False, "prompt": False}
"""Kinds of sources of another key, and whether a colon and a value must follow."""
_SOURCES = "file:PATH, command:WORDS, environment or prompt, separated by ;"
_PAGE = "a URL with http:// or https://"
_URL = f"{_PAGE} and a host; in a password, / # ? are %2F %23 %3F"

_CAPTURES = ("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT")
_OLDER_CAPTURES = {"false": "NO_CONTENT", "true": "EVENT_ONLY"}
"""Values that instrumentations accepted before the conventions defined `_CAPTURES`."""


@dataclass(frozen=True, repr=False)
class Settings:
    """Configuration of the instrumentation. Has no ``repr``, as a URL may contain a password.

    The fields are those of `instrumentor.instrument`; without a port, gateway or textfile there is
    none of these outlets. ``recovery`` has the kinds of its sources, each with the text after its
    colon.
    """

    metrics: Backend = "otel"
    prometheus_port: int | None = None
    prometheus_host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    pushgateway: str | None = None
    textfile: str | None = None
    preflight: Preflight = "warn"
    fingerprint: bool = True
    log_interval: float = 60
    runbook_url: str = DEFAULT_RUNBOOK_URL
    recovery: tuple[tuple[str, str], ...] = ()
    genai_metrics: GenAIMetrics = "latest"
    chunk_times: bool = False
    content_on_spans: bool = False
    content_in_events: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; log a warning for an invalid value or name and use the default."""
        environ = os.environ if environ is None else environ
        _warn_of_unknown(environ)
        capture = _choice(environ, CAPTURE, (*_CAPTURES, *_OLDER_CAPTURES))
        capture = _OLDER_CAPTURES.get(capture, capture)
        port = _read(environ, PROMETHEUS_PORT, _port, f"a port, 0 to {LAST_PORT}", None)
        pushgateway = _read(environ, PUSHGATEWAY, _url, _URL, None)
        textfile = environ.get(TEXTFILE, "").strip() or None
        return cls(
            metrics=_backend(environ, wanted=(port is not None, pushgateway, textfile)),
            prometheus_port=port,
            prometheus_host=environ.get(PROMETHEUS_HOST, "").strip() or "127.0.0.1",
            hosts=_read(environ, HOSTS, _hosts, "names of hosts, separated by commas", ()),
            pushgateway=pushgateway,
            textfile=textfile,
            preflight=cast("Preflight", _choice(environ, PREFLIGHT, ("warn", "raise", "off"))),
            fingerprint=_choice(environ, FINGERPRINT, ("on", "off")) == "on",
            log_interval=_read(
                environ, LOG_INTERVAL, _seconds, "a number of seconds, 0 or more", cls.log_interval
            ),
            runbook_url=_read(environ, RUNBOOK_URL, _page, _PAGE, DEFAULT_RUNBOOK_URL),
            recovery=_read(environ, RECOVERY, _recovery, _SOURCES, ()),
            genai_metrics=cast(
                "GenAIMetrics", _choice(environ, GENAI_METRICS, ("latest", "legacy", "both"))
            ),
            chunk_times=_choice(environ, CHUNK_TIMES, ("off", "on")) == "on",
            content_on_spans="SPAN" in capture,
            content_in_events="EVENT" in capture,
        )

    @classmethod
    def from_keywords(cls, given: Mapping[str, object]) -> "Settings":
        """Read the environment, with keywords of ``instrument()`` overriding their variables.

        ``None`` and names not in `KEYWORDS` are ignored.
        """
        texts = {
            KEYWORDS[name]: _text_of(value)
            for name, value in given.items()
            if name in KEYWORDS and value is not None
        }
        return cls.from_environment({**dict(variables_of(os.environ)), **texts})

    def runbook(self, anchor: str) -> str:
        """Return the URL of a runbook entry."""
        return f"{self.runbook_url}#{anchor}"


KEYWORDS: Final = {
    "metrics": METRICS,
    "genai_metrics": GENAI_METRICS,
    "chunk_times": CHUNK_TIMES,
    "hosts": HOSTS,
    "prometheus_port": PROMETHEUS_PORT,
    "prometheus_host": PROMETHEUS_HOST,
    "pushgateway": PUSHGATEWAY,
    "textfile": TEXTFILE,
    "preflight": PREFLIGHT,
    "fingerprint": FINGERPRINT,
    "log_interval": LOG_INTERVAL,
    "runbook_url": RUNBOOK_URL,
    "capture_message_content": CAPTURE,
}
"""Keywords of ``instrument()`` and the variables that they override."""

VARIABLES: Final = (*KEYWORDS.values(), RECOVERY)
"""All variables that configure this package."""


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(map(str, value))
    return str(value)


def _read(
    environ: Mapping[str, str],
    variable: str,
    parse: Callable[[str], T | None],
    expected: str,
    default: T,
) -> T:
    """Return the parsed value of a variable, or the default if it is unset or invalid."""
    text = environ.get(variable, "").strip()
    try:
        found = parse(text) if text else None
    except ValueError:
        found = None
    if text and found is None:
        _warn(variable, text, expected, str(default or "none"))
    return default if found is None else found


def _choice(environ: Mapping[str, str], variable: str, allowed: tuple[str, ...]) -> str:
    known = {one.lower(): one for one in allowed}
    expected = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    return _read(environ, variable, lambda text: known.get(text.lower()), expected, allowed[0])


def _backend(environ: Mapping[str, str], wanted: tuple[object, ...]) -> Backend:
    chosen = _choice(environ, METRICS, ("auto", "otel", "prometheus", "none"))
    if chosen == "auto":
        shared = environ.get(MULTIPROC_DIR) or environ.get(MULTIPROC_DIR.lower())
        return "prometheus" if shared or any(wanted) else "otel"
    if chosen != "prometheus" and any(wanted):
        outlets = f"{PROMETHEUS_PORT}, {PUSHGATEWAY} and {TEXTFILE}"
        text = "%s=%s: %s have no effect without prometheus_client. Set %s to auto."
        warn(_log, text, METRICS, chosen, outlets, METRICS)
    return cast("Backend", chosen)


def _page(text: str) -> str | None:
    return text if re.fullmatch(r"(?i)https?://\S+", text) else None


def folder_of(environ: Mapping[str, str]) -> str | None:
    """Return the folder that processes share for their metrics, or ``None`` if it is not set."""
    # prometheus_client still accepts the old name, in lower case, with a warning.
    return environ.get(MULTIPROC_DIR, environ.get(MULTIPROC_DIR.lower()))


def _url(text: str) -> str | None:
    return _page(text) if host_of(text) else None


def _hosts(text: str) -> tuple[str, ...] | None:
    found = [hosts_in(part) for part in re.split(r"[,;\s]+", text) if part]
    return tuple(host for hosts in found for host in hosts) if all(found) else None


def host_of(url: str) -> str:
    """Return host and port of a URL for a log, or an empty string if they are ambiguous.

    In ``http://user:pa/ss@host``, a parser finds the host ``user`` and the password in the path.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if host is None or "%" in host or "@" in url.partition(parts.netloc)[2]:
        return ""
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def _recovery(text: str) -> tuple[tuple[str, str], ...] | None:
    found = []
    for part in text.split(";"):
        kind, _, more = part.strip().partition(":")
        kind = kind.lower()
        words = shlex.split(more) if kind == "command" else more.split()
        if _RECOVERIES.get(kind) is not bool(words):
            return None
        found.append((kind, more.strip()))
    return tuple(found)


def _port(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= LAST_PORT else None


def _seconds(text: str) -> float | None:
    value = float(text)
    return value if 0 <= value < float("inf") else None


def _warn(variable: str, value: str, allowed: str, default: str) -> None:
    # The value may be a key that was pasted into the wrong line.
    hidden = may_hold_a_key(value) or redact(value) != value
    if variable == PUSHGATEWAY:  # may be a user and password without a host
        hidden = hidden or re.search(r":(?!//|\d+(?:/|$))", value) is not None
    shown = f"({len(value)} characters)" if hidden else repr(value)
    warn(
        _log, "Invalid value %s for %s (expected %s); using %s.", shown, variable, allowed, default
    )


def _warn_of_unknown(environ: Mapping[str, str]) -> None:
    for name in sorted(environ.keys() - {*VARIABLES}):
        if name.lower().startswith(f"{SCOPE}_"):
            near = did_you_mean(name.upper(), {*VARIABLES} - {CAPTURE})
            warn(_log, "%s is not a setting%s", redact(name), near)
