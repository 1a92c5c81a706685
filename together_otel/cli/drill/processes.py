"""The drill's application as a process: what it is ordered, what it answers, how it ends."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, TextIO

from together_otel.cli.doctor.trial import last_exception
from together_otel.cli.drill import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

PATIENCE = 60.0
"""Seconds that an order may take; exporters that get no answer take the longest."""


class Died(RuntimeError):  # noqa: N818 - it says what happened
    """The application ended, or does not answer any more."""


class Company:
    """One process; a context manager that leaves none behind.

    Args:
        launcher: ``opentelemetry-instrument``.
        environ: its environment.
        redact: takes keys out of what it prints, which is repeated here.
    """

    def __init__(
        self, launcher: Path, environ: Mapping[str, str], redact: Callable[[str], str]
    ) -> None:
        self.complaints: list[str] = []
        """What exporters complained of, redacted."""
        self._redact = redact
        self._held: list[str] | None = []
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(  # noqa: S603 - this environment's own programs
            [launcher, sys.executable, "-m", "together_otel.cli.drill.program"],
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C is for the drill, which then ends this in its own time.
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(pipe, out), daemon=True)
            for pipe, out in (
                (self._process.stdout, sys.stdout),
                (self._process.stderr, sys.stderr),
            )
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Company:  # noqa: PYI034 - Self needs 3.11 or another package
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()

    def order(self, **what: object) -> dict[str, Any]:
        """Give an order; return the answer.

        Raises:
            Died: when there is none.
        """
        try:
            self._stdin.write(json.dumps(what) + "\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise Died(self._how()) from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            Died: when there is none.
        """
        try:
            found = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise Died(f"it did not answer within {PATIENCE:g} s") from None
        if found is None:
            raise Died(self._how())
        return found

    def show(self) -> None:
        """Repeat on standard error what it has said there, and will say."""
        held, self._held = self._held, None
        sys.stderr.write("".join(held or ()))

    def last_exception(self) -> str:
        """Return what it failed with before anything of it was shown, when it has ended."""
        return last_exception("".join(self._held or ()))

    def finish(self) -> None:
        """Let it end by itself, which makes exporters send the last of it.

        Raises:
            Died: when it does not end.
        """
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Died(f"it did not end within {PATIENCE:g} s") from None
        for reader in self._readers:
            reader.join()

    @property
    def _stdin(self) -> IO[str]:
        if self._process.stdin is None:
            raise RuntimeError("the process was started without a pipe")
        return self._process.stdin

    def _how(self) -> str:
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        why = self.last_exception().rstrip(".")
        return f"it ended with exit code {code}{why and f', {why}'}"

    def _read(self, pipe: IO[str], out: TextIO) -> None:
        with pipe:
            for line in pipe:
                if line.startswith(MARK):
                    self._take(json.loads(line.removeprefix(MARK)))
                elif out is sys.stderr and self._held is not None:
                    self._held.append(self._redact(line))
                else:
                    out.write(self._redact(line))
                    out.flush()
        if out is sys.stdout:
            self._answers.put(None)

    def _take(self, said: dict[str, Any]) -> None:
        if "complaint" in said:
            self.complaints.append(self._redact(said["complaint"]))
        else:
            self._answers.put(said)
