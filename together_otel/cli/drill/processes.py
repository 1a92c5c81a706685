"""Process of a drill's application: its commands, replies, output and end."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import IO, Any, cast

from together_otel.cli.doctor.content import Samples
from together_otel.cli.doctor.endpoint import read
from together_otel.cli.doctor.installation import SDK, launcher
from together_otel.cli.doctor.ports import OTEL_HOST, OTEL_PORT
from together_otel.cli.doctor.trial import last_exception
from together_otel.cli.drill import MARK
from together_otel.cli.output import CannotWrite, complain, write
from together_otel.names import KEY_VARIABLE
from together_otel.testing.ports import free_port
from together_otel.testing.server import TogetherServer

PATIENCE = 60.0
"""Timeout of a command in seconds. Exporters that get no response take longest."""

# Other variables, such as a real key, a proxy or telemetry settings, would change the results.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SYSTEMROOT")


class Died(RuntimeError):  # noqa: N818 - the name says what happened
    """The application has exited or does not reply."""


class Process:
    """Runs the application under ``opentelemetry-instrument``, or raises `Died`.

    ``output`` has the lines on stdout that are not replies, ``errors`` those on stderr, and
    ``complaints`` the errors of exporters. Without ``redact``, the output cannot be shown.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        options: Sequence[str] = (),
        redact: Callable[[str], str] | None = None,
        client: str = SDK,
    ) -> None:
        self.complaints: list[str] = []
        self.output: deque[str] = deque()
        self.errors: deque[str] = deque()
        self.address: str = f"127.0.0.1:{environ.get(OTEL_PORT)}"
        self._redact = redact
        self._shown = False
        self._showing = threading.Lock()
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        program = str(launcher())
        words = [program, *options, sys.executable, "-m", "together_otel.cli.drill.program", client]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - programs of this environment
                words,
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                # So that Ctrl-C only reaches the drill, which then ends this process in order.
                start_new_session=True,
            )
        except OSError as exc:  # such as a virtual environment that was moved
            raise Died(f"{program} cannot be started ({exc.strerror})") from None
        self._stdin = cast("IO[str]", self._process.stdin)
        pipes = (self._process.stdout, self.output), (self._process.stderr, self.errors)
        self._readers = [
            threading.Thread(target=self._read, args=pipe, daemon=True) for pipe in pipes
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "Process":  # noqa: PYI034 - Self needs 3.11 or another package
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._wait()
        with suppress(BrokenPipeError):
            self._stdin.close()

    def ask(self, **options: object) -> dict[str, Any]:
        """Make one request by a client with these options; return the reply."""
        return self.command(ask=options)

    def command(self, **what: object) -> dict[str, Any]:
        """Send a command; return the reply. Raises `Died` if there is none."""
        self.send(**what)
        return self.answer()

    def send(self, **what: object) -> None:
        """Send a command; `answer` returns the replies in order."""
        with suppress(BrokenPipeError):  # reported by `answer`
            self._stdin.write(json.dumps(what) + "\n")
            self._stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Return the next reply. Raises `Died` if there is none."""
        try:
            found = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise Died(f"it did not answer within {PATIENCE:g} s") from None
        if found is None:
            code, why = self._wait(), self.last_exception()
            raise Died(f"it ended with exit code {code}{why and f', {why}'}")
        return found

    def show(self) -> None:
        """Print the process's output so far and from now on, if ``redact`` was given."""
        self._shown = True
        self._repeat()

    def scrape(self) -> Samples:
        """Return the samples of OpenTelemetry's Prometheus exporter."""
        return read(f"http://{self.address}/metrics")

    def records(self) -> list[dict[str, Any]]:
        """Return the console exporters' spans and log records; complete after `finish`."""
        written = re.findall(r"^\{$.*?^\}$", "".join(self.output), re.MULTILINE | re.DOTALL)
        return [json.loads(one) for one in written]

    def last_exception(self) -> str:
        """Return the last exception on stderr, if the output has not been shown."""
        return last_exception("".join(self.errors)).rstrip(".")

    def finish(self) -> None:
        """Let the process exit by itself, which flushes its exporters, or raise `Died`."""
        with suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Died(f"it did not end within {PATIENCE:g} s") from None
        self._wait()

    def _wait(self) -> int:
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        return code

    def _read(self, pipe: IO[str], lines: deque[str]) -> None:
        with pipe:
            for line in pipe:
                if not line.startswith(MARK):
                    lines.append(line)
                    self._repeat()
                    continue
                said = json.loads(line.removeprefix(MARK))
                if "complaint" in said:
                    self.complaints.append(said["complaint"])
                else:
                    self._answers.put(said)
        if lines is self.output:
            self._answers.put(None)

    def _repeat(self) -> None:
        if self._shown and self._redact is not None:
            for lines, show in ((self.output, write), (self.errors, complain)):
                # Both readers show lines: without the lock, one could overtake the other's.
                with self._showing, suppress(CannotWrite):
                    while lines:
                        show(self._redact(lines.popleft()))


def isolated(service: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that is independent of the user's telemetry and keys.

    Spans and log records are written to stdout; metrics are scraped.
    """
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "OTEL_SERVICE_NAME": service,
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "prometheus",
        "OTEL_LOGS_EXPORTER": "console",
        OTEL_HOST: "127.0.0.1",
        OTEL_PORT: str(free_port()),
        "TOGETHER_NO_BANNER": "1",
        **variables,
    }


def variables_of(server: TogetherServer, key: str) -> dict[str, str]:
    """Return the variables for a key and the server that it is sent to."""
    return {KEY_VARIABLE: key, "TOGETHER_BASE_URL": server.base_url_for(version(SDK))}
