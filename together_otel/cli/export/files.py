"""Generation and writing of the files of all formats."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from together_otel.cli.export.formats import FORMATS
from together_otel.cli.export.source import Source
from together_otel.settings import DEFAULT_RUNBOOK_URL


class File(NamedTuple):
    """A file; its path is relative to the folder that it is written into."""

    kind: str
    path: Path
    text: str


class FilesExist(Exception):  # noqa: N818 - the name says what happened
    """Files would be overwritten, so nothing was written. ``args`` are their paths."""


def files(
    kinds: Collection[str] = tuple(FORMATS),
    source: Source | None = None,
    *,
    runbook_url: str = DEFAULT_RUNBOOK_URL,
) -> list[File]:
    """Return the files of some formats.

    The runbook's URL has no anchor and no characters with a meaning in YAML, JSON, Markdown or
    Prometheus templates.
    """
    source = source or Source()
    return [
        File(kind, Path(path), text.replace(DEFAULT_RUNBOOK_URL, runbook_url))
        for kind, one in FORMATS.items()
        if kind in kinds
        for path, text in one.make(source).items()
    ]


def write_files(made: Iterable[File], folder: Path, *, force: bool = False) -> None:
    """Write files into a folder, which is created if missing.

    Raises:
        FilesExist: if a file exists, unless ``force`` is true.
        OSError: if a file cannot be written.
    """
    texts = {folder / path: text for _, path, text in made}
    if not force and (taken := [path for path in texts if path.exists()]):
        raise FilesExist(*taken)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
