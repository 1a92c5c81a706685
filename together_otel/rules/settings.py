"""Options of the rules, and their parsing from what users write or from TOML."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, Literal, get_args

from together_otel.names import TIME_BUCKETS
from together_otel.plain.spelling import did_you_mean

Severity = Literal["page", "ticket", "none"]
"""``page`` needs action now; ``ticket`` can wait until morning; ``none`` leaves the alert out."""

SEVERITIES: Mapping[str, Severity] = {
    "TogetherAuthFailing": "page",
    "TogetherAuthFailure": "ticket",
    "TogetherAuthFailureSpike": "ticket",
    "TogetherKeyRotationStalled": "none",
    "TogetherRequestsFailing": "page",
    "TogetherNothingSucceeds": "ticket",
    "TogetherErrorBudgetBurn": "page",
    "TogetherRateLimited": "none",
    "TogetherLatencyHigh": "ticket",
    "TogetherTelemetryAbsent": "ticket",
    "TogetherTelemetryErrors": "ticket",
}
"""All Prometheus alerts, with their default severities."""
LOG_SEVERITIES: Mapping[str, Severity] = {
    "TogetherAuthFailingInLogs": "page",
    "TogetherAuthFailureInLogs": "ticket",
}
"""All Loki alerts, with their default severities."""
_ALERTS: Mapping[str, Severity] = {**SEVERITIES, **LOG_SEVERITIES}
_EXAMPLE = next(iter(_ALERTS))

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")  # Prometheus takes them in this order, each once
_DURATION = re.compile("(?=.)" + "".join(f"([0-9]+{unit})?" for unit in _UNITS))

Kind = Literal["share", "number", "latency", "seconds", "duration"]
_MOST: Mapping[Kind, float] = {"share": 1, "latency": TIME_BUCKETS[-1]}
EXPECTED: Mapping[Kind, str] = {
    "share": "a number over 0 and below 1, such as 0.3",
    "number": "a number over 0, such as 2.5",
    "latency": f"a number over 0 and below {_MOST['latency']}, the last bound of a bucket",
    "seconds": "a whole number of seconds over 0, such as 3600",
    "duration": "a Prometheus duration, such as 5m",
}


def _setting(default: Any, kind: Kind, meaning: str) -> Any:
    """Return a field that users can change by name, its meaning in one line."""
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


@dataclass(frozen=True)
class Options:
    """Options of the rules. The meaning of the settings in `SETTINGS` is part of their fields.

    ``jobs`` is a regular expression without quotes and backslashes, such as ``shop|chat-.+``; empty
    for all jobs. The labels of ``group_by`` identify a service, and include ``job``. Alerts without
    a severity are left out, as with ``none``.
    """

    jobs: str = ""
    group_by: tuple[str, ...] = ("cluster", "namespace", "job")
    severities: Mapping[str, Severity] = field(default_factory=lambda: _ALERTS)
    failing_share: float = _setting(
        0.2,
        "share",
        "Page if this share of instances fails, or this share of requests in instances that also succeed.",
    )
    errors_share: float = _setting(
        0.5,
        "share",
        "Page if this share of a minute's requests fails because of Together or the network.",
    )
    objective: float = _setting(0.99, "share", "Objective: share of good requests over 30 days.")
    slow_seconds: float = _setting(
        20, "latency", "Highest acceptable 95th percentile of successful completions, in seconds."
    )
    limited_share: float = _setting(
        0.05, "share", "Alert if this share of requests is rate limited."
    )
    spike_factor: float = _setting(
        3, "number", "Failures are a spike above this multiple of the week's median."
    )
    rotation_overlap: int = _setting(
        3600, "seconds", "Longest acceptable use of an old key next to a new one, in seconds."
    )
    absent_for: str = _setting("10m", "duration", "Longest acceptable absence, as in a deployment.")
    keep_firing: str = _setting(
        "5m", "duration", "Time that an alert fires after its condition ends."
    )


SETTINGS: Mapping[str, Mapping[str, Any]] = {
    one.name: one.metadata for one in fields(Options) if one.metadata
}
"""Kind and meaning of the settings that users can change, by name."""


class WrongChoice(ValueError):  # noqa: N818 - its message is shown to the user
    """An unknown name or an invalid value. The message lists what is accepted."""


def choose(given: Mapping[str, Any]) -> Options:
    """Return the options for values by name: those of `SETTINGS`, ``group_by`` and ``severity``.

    Raises `WrongChoice` for an unknown name or an invalid value.
    """
    known = ("group_by", "severity", *SETTINGS)
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise WrongChoice(_unknown("setting", name, known))
        if name == "group_by":
            chosen["group_by"] = _labels(value)
        elif name == "severity":
            chosen["severities"] = _severities(value)
        else:
            chosen[name] = _value(name, value)
    return Options(**chosen)


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """Parse ``NAME=VALUE`` texts into values by name; raises `WrongChoice` without ``=``."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise WrongChoice(f"expected NAME=VALUE, not {text!r}")
        found[name.strip()] = value.strip()
    return found


def from_toml(text: str) -> dict[str, Any]:
    """Return the values in a TOML file, by name.

    Raises `WrongChoice` if the text is not TOML, or this Python has no TOML parser.
    """
    try:
        toml = import_module("tomllib")
    except ModuleNotFoundError:
        raise WrongChoice("a TOML file needs Python 3.11 or newer; use --set instead") from None
    try:
        found: dict[str, Any] = toml.loads(text)
    except ValueError as exc:
        raise WrongChoice(f"the file is invalid TOML: {exc}") from None
    return found


def values_of(options: Options) -> dict[str, Any]:
    """Return the values of options by name, which `choose` accepts."""
    return {
        "group_by": options.group_by,
        **{name: getattr(options, name) for name in SETTINGS},
        "severity": {name: options.severities.get(name, "none") for name in _ALERTS},
    }


def to_toml(options: Options) -> str:
    """Return the options as a TOML file."""
    values = values_of(options)
    lines = ["# Labels that identify a service; job must be one of them."]
    lines.append(f"group_by = {json.dumps(values['group_by'])}")
    for name, setting in SETTINGS.items():
        lines += [f"# {setting['meaning']}", f"{name} = {json.dumps(values[name])}"]
    lines += ["", f"# Severity of each alert: {', '.join(get_args(Severity))}.", "[severity]"]
    lines += [f'{name} = "{severity}"' for name, severity in values["severity"].items()]
    return "\n".join(lines) + "\n"


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    return f"unknown {what} {name!r}{did_you_mean(name, known)} Choose from: {', '.join(known)}"


def _value(name: str, value: object) -> object:
    kind, text = SETTINGS[name]["kind"], str(value).strip()
    wrong = WrongChoice(f"{name}={text}: expected {EXPECTED[kind]}")
    if kind == "duration":
        if not _DURATION.fullmatch(text):
            raise wrong
        return text
    try:
        number = int(text) if kind == "seconds" else float(text)
    except ValueError:
        raise wrong from None
    if not 0 < number < _MOST.get(kind, 1e9):
        raise wrong
    return int(number) if number == int(number) else number


def _labels(value: object) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    labels = tuple(str(one).strip() for one in names) if isinstance(names, (list, tuple)) else ()
    if "job" not in labels or not all(map(_LABEL.fullmatch, labels)):
        raise WrongChoice(
            f"group_by={value}: expected names of labels, including job, such as cluster,namespace,job"
        )
    if len(set(labels)) < len(labels) or "instance" in labels:
        raise WrongChoice(f"group_by={value}: each label only once, and not instance")
    return labels


def _severities(value: object) -> dict[str, Severity]:
    allowed = get_args(Severity)
    if not isinstance(value, dict):
        raise WrongChoice(f"severity={value}: expected one of each alert, such as {_EXAMPLE}=page")
    for name, severity in value.items():
        if name not in _ALERTS:
            raise WrongChoice(_unknown("alert", name, _ALERTS))
        if severity not in allowed:
            raise WrongChoice(f"{name}={severity}: expected one of {', '.join(allowed)}")
    return {**_ALERTS, **value}
