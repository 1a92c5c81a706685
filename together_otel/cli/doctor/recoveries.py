"""Checks of the sources of recovery, before they are needed."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from together_otel import settings as variables
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.keys import inspect_key
from together_otel.keys.phrases import flaws
from together_otel.recovery.watching import read_text
from together_otel.settings import Settings

_RECOVERY = Topic("recovery")


def recoveries(settings: Settings) -> Iterator[Finding]:
    """Check the files and commands that recovery reads keys from."""
    for kind, what in settings.recovery:
        if kind == "file":
            yield _file(what)
        elif kind == "command":
            yield _command(shlex.split(what)[0])


def _file(path: str) -> Finding:
    try:
        key = read_text(Path(path)).strip()
    except OSError as exc:
        return _useless(f"{path}, which cannot be read ({exc.strerror or type(exc).__name__})")
    except ValueError:
        return _useless(f"{path}, which is not a file that contains a key and nothing else")
    report = inspect_key(key, source="argument", environ={})
    if report.usable:
        return _RECOVERY.ok(f"After a refusal, a key is read from {path}, which contains one.")
    return _useless(f"{path}, whose key cannot work: it {'; '.join(flaws(report))}")


def _command(program: str) -> Finding:
    if shutil.which(program) is None:
        return _useless(f"the command {program}, which is not installed")
    return _RECOVERY.ok(f"After a refusal, a key is read from the command {program}.")


def _useless(what: str) -> Finding:
    return _RECOVERY.warning(
        f"{variables.RECOVERY} names {what}: it provides no key.",
        "Mount or install it, or correct the variable.",
    )
