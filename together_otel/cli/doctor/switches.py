"""Checks of what is disabled, of invalid settings, and of the metrics backend."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path

from together_otel import settings as variables
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.cli.doctor.installation import INSTRUMENTORS, OURS, otel_variables
from together_otel.names import SCOPE
from together_otel.settings import Settings

_DISABLED = Topic("disabled")
_SETTINGS = Topic("settings")
_BACKEND = Topic("backend")

DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
SDK_DISABLED = "OTEL_SDK_DISABLED"
_NEAR = 0.95
"""Minimum similarity of a misspelt name and the right one, from 0 to 1."""
_PREFIXES = ("OTEL_", "TOGETHER", "PROMETHEUS_")


def switches(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check what disables the instrumentation."""
    disabled = {word.strip() for word in environ.get(DISABLED, "").split(",")} - {""}
    for word in sorted({"*", OURS} & disabled):
        yield _DISABLED.problem(
            f"{DISABLED} contains {word}: opentelemetry-instrument does not enable this instrumentation.",
            f"Remove {word} from {DISABLED}.",
        )
    if environ.get(SDK_DISABLED, "").strip().lower() == "true":
        yield _DISABLED.problem(f"{SDK_DISABLED} disables everything.", f"Unset {SDK_DISABLED}.")
    known = {one.name for one in entry_points(group=INSTRUMENTORS)}
    for word in sorted(disabled - known - {"*", OURS}):
        if OURS in word.lower():
            yield _DISABLED.warning(
                f"{DISABLED} contains {word}, which is not the name of an instrumentation.",
                f"This one is named {OURS}; remove {word}.",
            )


def names(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check for misspelt variables and invisible characters in names, such as a byte-order mark."""
    known = otel_variables()
    for name in environ:
        near = [] if name in known else get_close_matches(name, known, 1, _NEAR)
        if near and name.startswith("OTEL_"):
            yield _SETTINGS.warning(
                f"{name} is not a variable of OpenTelemetry; did you mean {near[0]}?",
                "Correct it, or unset the variable.",
            )
        seen = "".join(one for one in name if one.isprintable() and one != " ")
        if seen != name and seen.startswith(_PREFIXES):
            yield _SETTINGS.warning(
                f"The variable {name!a} is not {seen}: its name has an invisible character.",
                "Save the file that sets it as UTF-8 without a byte-order mark, or set it again.",
            )


def settings_of(environ: Mapping[str, str]) -> tuple[Settings, list[Finding]]:
    """Return the settings, and findings about invalid ones."""
    with heard(f"{SCOPE}.settings") as said:
        settings = Settings.from_environment(environ)
    return settings, [
        _SETTINGS.warning(text, "Correct it, or unset the variable.") for text in said
    ]


@contextmanager
def heard(logger: str) -> Iterator[list[str]]:
    """Collect the warnings of a logger, which are not propagated meanwhile."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger(logger)
    propagate = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield said
    finally:
        log.propagate = propagate
        log.removeHandler(handler)


def backend(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Report which backend emits the metrics, and which variable selects it."""
    asked = environ.get(variables.METRICS, "").strip()
    chosen = settings.metrics
    if chosen == "none":
        yield _BACKEND.problem(
            f"{variables.METRICS}=none: there are no metrics.", f"Set {variables.METRICS} to auto."
        )
        return
    reasons = [
        name
        for name in (
            variables.MULTIPROC_DIR,
            variables.PROMETHEUS_PORT,
            variables.PUSHGATEWAY,
            variables.TEXTFILE,
        )
        if environ.get(name, environ.get(name.lower(), "")).strip()
    ]
    if asked.lower() == chosen:
        why = f"{variables.METRICS} selects it"
    elif chosen == "prometheus":
        why = f"{' and '.join(reasons)} {'is' if len(reasons) == 1 else 'are'} set"
    else:
        why = f"neither {variables.METRICS} nor a variable of prometheus_client is set"
    who = "OpenTelemetry's meter" if chosen == "otel" else "prometheus_client"
    yield _BACKEND.ok(f"Metrics are emitted by {who}, because {why}.")
    ways = (settings.prometheus_port, settings.pushgateway, settings.textfile)
    if chosen == "prometheus" and all(way is None for way in ways):
        yield _BACKEND.warning(
            "This package does not serve these metrics: a scrape has them only if the application"
            " serves prometheus_client's registry.",
            f"Set {variables.PROMETHEUS_PORT} to a free port, unless it does.",
        )


def share(environ: dict[str, str], folder: Path) -> None:
    """Set the folder that processes share."""
    environ.pop(variables.MULTIPROC_DIR.lower(), None)
    environ[variables.MULTIPROC_DIR] = str(folder)
