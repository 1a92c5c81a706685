"""Files that a user names: text of limited size, read in limited time."""

from pathlib import Path
from typing import Final

from together_otel.recovery.dotenv import DOTENV_LARGEST

_PATIENCE: Final = 30.0
"""Timeout in seconds."""


def read_text(path: str) -> str:
    """Return the text of a file, or of a pipe such as ``<(sops decrypt .env)``.

    Raises:
        ValueError: if it cannot be read. The message says why, and contains none of the text.
    """
    from together_otel.testing.fetch import within  # noqa: PLC0415 - few commands read a file

    def read() -> bytes:
        with Path(path).open("rb") as opened:
            return opened.read(DOTENV_LARGEST + 1)

    if not path:
        raise ValueError("the path is empty")
    try:
        data = within(_PATIENCE, read)
        text = data.decode()
    except OSError as exc:
        why = exc.strerror or f"nothing could be read within {_PATIENCE:g} s"
    except UnicodeDecodeError:
        why = "it is not text in UTF-8"
    else:
        if len(data) > DOTENV_LARGEST:
            why = "it is larger than 1 MiB"
        elif "\0" in text:
            why = "it is not text"
        else:
            return text
    raise ValueError(why)
