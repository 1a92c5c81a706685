"""Checks of the installation: Python, the SDK, this package's entry point, the launcher."""

import platform
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from packaging.requirements import Requirement

from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.instrumentor import DISTRIBUTION, TogetherInstrumentor
from together_otel.plain.installed import release_of

_PYTHON = Topic("python")
_SDK = Topic("sdk")
_ENTRY_POINT = Topic("entry point")
_LAUNCHER = Topic("launcher")
_DISTRO = Topic("distro")

INSTRUMENTORS = "opentelemetry_instrumentor"
CONFIGURATORS = "opentelemetry_configurator"
SDK = "together"
OURS = "together"
"""Name of this package's entry point, which disables it if in the list of disabled ones."""


def install(*packages: str) -> str:
    """Return the command that installs packages and keeps the installed OpenTelemetry release."""
    release = release_of("opentelemetry-sdk")
    words = (*packages, f"opentelemetry-sdk=={release}") if release else packages
    return f"pip install {shlex.join(words)}"


def zero_code() -> str:
    """Return the command that installs ``opentelemetry-instrument`` and what it needs."""
    return install(f"{DISTRIBUTION}[zero-code]")


def installation() -> Iterator[Finding]:
    """Check what is installed for this interpreter."""
    found = f"Python {platform.python_version()} at {sys.executable}"
    yield _PYTHON.ok(f"{found}: the following applies to applications that run with it.")
    yield from _sdks()
    yield from _entry_point()
    yield _launcher()
    yield _distro()


def _sdks() -> Iterator[Finding]:
    needed = [Requirement(text) for text in TogetherInstrumentor().instrumentation_dependencies()]
    installed = [(one, release_of(one.name)) for one in needed]
    for requirement, release in installed:
        if release is None:
            continue
        if requirement.specifier.contains(release):
            wanted = str(requirement.specifier) or "any release"
            yield _SDK.ok(f"{requirement.name} {release} is supported ({wanted}).")
        else:
            yield _SDK.problem(
                f"{requirement.name} {release} is not supported: it is not instrumented.",
                f"pip install '{requirement}'",
            )
    if not any(release for _, release in installed):
        wanted = next((str(one) for one in needed if one.name == SDK), SDK)
        yield _SDK.problem(
            "No SDK of Together AI is installed for this interpreter.",
            f"pip install '{wanted}', or run this with the application's Python.",
        )


def _entry_point() -> Iterator[Finding]:
    named = list(entry_points(group=INSTRUMENTORS, name=OURS))
    ours = [one for one in named if _is_ours(one)]
    if not ours:
        yield _ENTRY_POINT.problem(
            "opentelemetry-instrument does not find this package: it is on the path, but not"
            " installed.",
            f"pip install {DISTRIBUTION}",
        )
        return
    try:
        ours[0].load()
    except Exception as exc:  # noqa: BLE001 - an import may raise anything
        yield _ENTRY_POINT.problem(
            f"The instrumentor cannot be loaded: {type(exc).__name__}: {exc}.",
            f"pip install --force-reinstall {DISTRIBUTION}",
        )
        return
    yield _ENTRY_POINT.ok(f"opentelemetry-instrument finds the instrumentor, {OURS!r}.")
    for other in named:
        if not _is_ours(other):
            yield _ENTRY_POINT.warning(
                f"{other.value} has the same name, {OURS!r}: opentelemetry-instrument enables or disables"
                " both.",
                f"pip uninstall {other.dist.name}" if other.dist else "Uninstall it.",
            )


def _is_ours(one: EntryPoint) -> bool:
    return one.module.partition(".")[0] == __name__.partition(".")[0]


def otel_variables() -> set[str]:
    """Return the variables of OpenTelemetry's packages, each of which is an option of the launcher."""
    modules = (one.load() for one in entry_points(group="opentelemetry_environment_variables"))
    return {name for module in modules for name in dir(module) if name.startswith("OTEL_")}


def launcher() -> Path | None:
    """Return the path of ``opentelemetry-instrument``, beside this interpreter or on PATH."""
    beside = Path(sys.executable).with_name("opentelemetry-instrument")
    found = shutil.which(beside) or shutil.which(beside.name)
    return Path(found) if found else None


def missing(client: str = SDK) -> str:
    """Return what is missing for a drill with a client, or ``""``."""
    if release_of(client) is None:
        return f"{client} is not installed: pip install {client}"
    if launcher() is None:
        return f"opentelemetry-instrument is not installed: {zero_code()}"
    return ""


def _launcher() -> Finding:
    found = launcher()
    if found is None:
        return _LAUNCHER.problem(
            "opentelemetry-instrument is not installed.",
            f"{zero_code()}, or call TogetherInstrumentor().instrument() in the application.",
        )
    return _LAUNCHER.ok(f"opentelemetry-instrument is {found}.")


def _distro() -> Finding:
    configurators = [one.name for one in entry_points(group=CONFIGURATORS)]
    if not configurators:
        return _DISTRO.warning(
            "No distro of OpenTelemetry is installed: opentelemetry-instrument sets no providers.",
            f"{zero_code()}, unless the application sets providers itself.",
        )
    if len(configurators) > 1:
        return _DISTRO.warning(
            f"Several distros are installed, and one of them is used: {', '.join(configurators)}.",
            "Name one in OTEL_PYTHON_DISTRO and OTEL_PYTHON_CONFIGURATOR.",
        )
    return _DISTRO.ok("A distro of OpenTelemetry is installed, which sets providers.")
