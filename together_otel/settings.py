"""The environment → one frozen `Settings`, read once when the instrumentation is turned on."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from together_otel.names import SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(f"{SCOPE}.settings")

METRICS = "TOGETHER_OTEL_METRICS"
FINGERPRINT = "TOGETHER_OTEL_FINGERPRINT"
LOG_INTERVAL = "TOGETHER_OTEL_LOG_INTERVAL"
RUNBOOK_URL = "TOGETHER_OTEL_RUNBOOK_URL"
SEMCONV = "OTEL_SEMCONV_STABILITY_OPT_IN"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SEMCONV_LATEST = "gen_ai_latest_experimental"

DEFAULT_RUNBOOK_URL = (
    "https://github.com/together-otel/together_otel/blob/main/dashboards/runbook.md"
)


@dataclass(frozen=True)
class Settings:
    """How the instrumentation behaves.

    Attributes:
        metrics: whether metrics are emitted through the OpenTelemetry API.
        fingerprint: whether fingerprints of keys are emitted.
        log_interval: seconds between two log events of the same failure; 0 logs every one.
        runbook_url: base of the links to the runbook, without an anchor.
        latest_names: whether metrics have the names of the conventions' development branch.
        content_on_spans: whether spans carry what was said.
        content_in_events: whether events are made that carry it.
    """

    metrics: bool = True
    fingerprint: bool = True
    log_interval: float = 60.0
    runbook_url: str = DEFAULT_RUNBOOK_URL
    latest_names: bool = False
    content_on_spans: bool = False
    content_in_events: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings; a value that is not understood gives a warning and the default."""
        environ = os.environ if environ is None else environ
        capture = _choice(
            environ, CAPTURE, ("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT")
        )
        return cls(
            metrics=_choice(environ, METRICS, ("auto", "otel", "none")) != "none",
            fingerprint=_choice(environ, FINGERPRINT, ("on", "off")) == "on",
            log_interval=_seconds(environ, LOG_INTERVAL, 60.0),
            runbook_url=environ.get(RUNBOOK_URL, "").strip() or DEFAULT_RUNBOOK_URL,
            # A list that other instrumentations read too: what is not ours is not looked at.
            latest_names=SEMCONV_LATEST
            in (word.strip() for word in environ.get(SEMCONV, "").split(",")),
            content_on_spans="SPAN" in capture,
            content_in_events="EVENT" in capture,
        )

    def runbook(self, anchor: str) -> str:
        """Return the link to one entry of the runbook."""
        return f"{self.runbook_url}#{anchor}"


@dataclass(frozen=True)
class Setting:
    """One row of the README's table of settings."""

    variable: str
    values: str
    meaning: str


SETTINGS = (
    Setting(METRICS, "`auto`, `otel`, `none`", "Whether metrics go to OpenTelemetry's meter."),
    Setting(FINGERPRINT, "`on`, `off`", "Whether a key's 8-digit fingerprint is emitted."),
    Setting(
        LOG_INTERVAL,
        "`60`",
        "Seconds between two log events of the same key and cause; `0` logs every failure.",
    ),
    Setting(RUNBOOK_URL, "the project's runbook", "Base of the runbook links in log events."),
    Setting(
        SEMCONV,
        f"unset, `{SEMCONV_LATEST}`",
        "OpenTelemetry's: `gen_ai.client.*` metrics are named `gen_ai.client.inference.*`.",
    ),
    Setting(
        CAPTURE,
        "`NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY`, `SPAN_AND_EVENT`",
        "OpenTelemetry's: whether messages are told, on spans, on the event "
        "`gen_ai.client.inference.operation.details`, or both.",
    ),
)


def _choice(environ: Mapping[str, str], variable: str, allowed: tuple[str, ...]) -> str:
    value = environ.get(variable, "").strip()
    for one in allowed:
        if value.lower() == one.lower():
            return one
    if value:
        _warn(variable, value, "one of " + ", ".join(allowed), allowed[0])
    return allowed[0]


def _seconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    text = environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 <= value < float("inf"):
        return value
    _warn(variable, text, "a number of seconds, 0 or more", f"{default:g}")
    return default


def _warn(variable: str, value: str, allowed: str, default: str) -> None:
    # A value can be anything, a key pasted into the wrong line included: it is not repeated.
    _log.warning(
        "%s is not understood (%d characters given): it takes %s. Using %s.",
        variable,
        len(value),
        allowed,
        default,
    )
