"""What the commands write to: whatever becomes of the reader, the exit code is the answer."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Iterator


class Output:
    """A stream that may be full, of few letters, or read by nobody any more.

    Args:
        stream: where it goes.

    Attributes:
        failed: why nothing can be written any more, ``None`` where that is nobody's fault.
    """

    def __init__(self, stream: TextIO) -> None:
        self.failed: OSError | None = None
        self._stream = stream
        self._ended = False
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write, as long as somebody reads."""
        with self._ending():
            if not self._ended:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Send off what was written."""
        with self._ending():
            if not self._ended:
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            self._ended = True
            if not isinstance(exc, BrokenPipeError):
                self.failed = exc
            # What is left in its buffer is written at the exit, and would fail again.
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextmanager
def outputs() -> Iterator[Output]:
    """Let standard output, which is given, and standard error be such streams."""
    # A closed one first: the next file or socket would get its number.
    out, err = (Output(_opened(stream)) for stream in (sys.stdout, sys.stderr))
    with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", err)):
        try:
            yield out
        finally:
            out.flush()
            err.flush()


def _opened(stream: TextIO | None) -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8") if stream is None else stream
