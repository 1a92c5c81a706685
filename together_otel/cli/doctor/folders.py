"""Checks of the folders and the Pushgateway that processes write their metrics to."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from together_otel import settings as variables
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.cli.doctor.reach import answers
from together_otel.forks import is_alive
from together_otel.settings import Settings, folder_of

_FOLDER = Topic("folder")

_FILE = re.compile(
    r"(?:counter|gauge_\w+|histogram|summary)_(?:together-)?(\d+)(?:-[0-9a-f]+)?\.db"
)

_ALONE = "each process counts for itself, and a scrape shows one of them"


def folders(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Check the folder that processes share, and the destinations of a process's last metrics."""
    if settings.metrics != "prometheus":
        return
    if (shared := folder_of(environ)) is not None:
        yield _shared(shared)
    if settings.textfile is not None:
        yield _textfile(settings.textfile)
    if settings.pushgateway is not None:
        yield answers(
            Topic("pushgateway"),
            "The Pushgateway",
            "",
            settings.pushgateway,
            variables.PUSHGATEWAY,
        )


def _shared(text: str) -> Finding:
    name = variables.MULTIPROC_DIR
    if not text:
        return _FOLDER.problem(
            f"{name} is set but empty: {_ALONE}.",
            f"Set {name} to an empty directory, or unset it.",
        )
    if why := _unusable(Path(text)):
        return _FOLDER.problem(
            f"{name} cannot be used ({why}): {_ALONE}.",
            f"Set {name} to a directory that the service may write to.",
        )
    if not Path(text).exists():
        return _FOLDER.ok(f"{name} does not exist yet, and will be created.")
    files = [path.name for path in Path(text).glob("*.db")]
    writers = {int(match[1]) for file in files if (match := _FILE.fullmatch(file))}
    living = [pid for pid in writers if is_alive(pid)]
    if living:
        return _FOLDER.ok(f"{name} is in use: {len(living)} running processes have files in it.")
    if files:
        return _FOLDER.warning(
            f"{name} contains {len(files)} files of processes that have ended: their counts are added to"
            " those of new processes.",
            f'Empty it before each start: rm -f "${name}"/*.db',
        )
    return _FOLDER.ok(f"{name} is an empty directory that can be written to.")


def _unusable(folder: Path) -> str:
    """Return why a folder cannot be written to or created, or ``""``."""
    try:
        above = folder.absolute().parents
    except OSError:
        return "the working directory that it is relative to is gone"
    try:
        there = next(one for one in (folder, *above) if one.exists())
    except OSError as exc:  # too long, or below a folder of somebody else
        return exc.strerror or type(exc).__name__
    if not there.is_dir():
        return "it is a file" if there == folder else "a file has the name of a folder above it"
    if not os.access(there, os.W_OK | os.X_OK):
        return "it cannot be written to" if there == folder else "it cannot be created"
    return ""


def _textfile(text: str) -> Finding:
    name = variables.TEXTFILE
    if why := _unusable(Path(text)):
        return _FOLDER.problem(
            f"{name} cannot be used ({why}): the last metrics of a process are lost.",
            f"Set {name} to node_exporter's --collector.textfile.directory, writable for the job.",
        )
    if not Path(text).exists():
        return _FOLDER.warning(
            f"{name} does not exist: it will be created, but node_exporter reads another one.",
            f"Set {name} to its --collector.textfile.directory.",
        )
    return _FOLDER.ok(f"{name} is a directory that can be written to.")
