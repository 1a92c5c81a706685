"""What the commands write: whatever becomes of the reader, the exit code is the answer."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


class CannotWrite(Exception):  # noqa: N818 - it says what is so
    """Standard output is full or broken; the text says how."""


def prepare() -> None:
    """Let both streams be open, and able to write any letter."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the next file or socket would get its number
            nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for good
            setattr(sys, name, nowhere)
        elif (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write to standard output immediately, as long as somebody reads.

    Raises:
        CannotWrite: when it cannot be written to, and that is not the reader's wish.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as exc:
        _discard(sys.stdout)
        if not isinstance(exc, BrokenPipeError):
            raise CannotWrite(exc.strerror or type(exc).__name__) from None


def complain(text: str) -> None:
    """Write to standard error immediately, if that is possible."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    # What is left in its buffer is written at the exit, and would fail again.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
