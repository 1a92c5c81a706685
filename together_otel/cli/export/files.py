"""The files of all formats, made and written."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from together_otel.cli.export.formats import FORMATS
from together_otel.cli.export.source import Source
from together_otel.settings import DEFAULT_RUNBOOK_URL


class File(NamedTuple):
    """One file: its path is below the folder that it is written into."""

    kind: str
    path: Path
    text: str


class FilesExist(Exception):  # noqa: N818 - it is not an error by itself, as FileExistsError
    """``args`` are the files that would be overwritten; nothing was written."""


def files(
    kinds: Collection[str] = tuple(FORMATS),
    source: Source | None = None,
    *,
    runbook_url: str = DEFAULT_RUNBOOK_URL,
) -> list[File]:
    """Return the files of some kinds.

    Args:
        kinds: which.
        source: what they are made of, by default what is shipped.
        runbook_url: where the runbook is, without an anchor; of characters that are themselves
            in YAML, JSON, Markdown and a Prometheus template.
    """
    source = source or Source()
    return [
        File(kind, Path(path), text.replace(DEFAULT_RUNBOOK_URL, runbook_url))
        for kind, one in FORMATS.items()
        if kind in kinds
        for path, text in one.make(source).items()
    ]


def write_files(made: Iterable[File], folder: Path, *, force: bool = False) -> None:
    """Write files into a folder, which is created if it is missing.

    Raises:
        FilesExist: when one exists and is not to be overwritten, by ``force``.
        OSError: when one cannot be written.
    """
    texts = {folder / path: text for _, path, text in made}
    if not force and (taken := [path for path in texts if path.exists()]):
        raise FilesExist(*taken)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
