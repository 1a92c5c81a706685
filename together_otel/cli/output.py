"""Output to stdout and stderr. A closed pipe or an error on stderr keeps the exit code."""

import os
import sys
from contextlib import suppress
from typing import TextIO

_COLOURS = {"good": "32", "warning": "33", "bad": "31"}


class CannotWrite(Exception):  # noqa: N818 - the name says what happened
    """Standard output cannot be written. The message says why."""


def prepare() -> None:
    """Replace closed standard streams, and escape characters that they cannot encode."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # else the next file or socket would get its descriptor
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
            setattr(sys, name, nowhere)
        elif (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")


def paint(text: str, colour: str) -> str:
    """Return a text in the colour of ``good``, ``warning`` or ``bad`` on a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty():
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def write(text: str) -> None:
    """Write to stdout and flush; discard the text if the pipe's reader has closed it.

    Raises `CannotWrite` if it cannot be written for another reason.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as exc:
        _discard(sys.stdout)
        if not isinstance(exc, BrokenPipeError):
            raise CannotWrite(exc.strerror or type(exc).__name__) from None


def complain(text: str) -> None:
    """Write to stderr and flush, ignoring errors."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    # At exit, Python flushes the stream's buffer, which would fail again.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
