"""The application as a process under ``opentelemetry-instrument``, and what it lets be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from together_otel.fetch import fetch
from together_otel.keys import redact
from together_otel.testing.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from together_otel.names import Metric
    from together_otel.testing.server import TogetherServer

EXPORTERS = (
    *("--traces_exporter", "console"),
    *("--metrics_exporter", "prometheus"),
    *("--logs_exporter", "console"),
)
"""What the launcher is told: signals to read here, metrics to scrape."""
APPLICATION = Path(__file__).with_name("application.py")
PATIENCE = 60.0
"""Seconds that anything may take; the SDK's own retries are the longest of it."""

# Nothing else is handed down: a real key, a proxy or another telemetry setting of whoever
# runs this would change what is shown.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SYSTEMROOT")
_ANSWERED, _FAILED = "answered: ", "failed: "
_TRACEBACK = "Traceback"
_IGNORED = "Exception ignored in"


class Worker:
    """One process of the application; a context manager that ends it.

    Args:
        service: the name of the service in its telemetry.
        server: where its requests go.
        variables: the environment variables that hold the key, and any others.
        options: what ``opentelemetry-instrument`` is told.

    Raises:
        FileNotFoundError: when ``opentelemetry-instrument`` is not installed beside Python.
    """

    def __init__(
        self,
        service: str,
        server: TogetherServer,
        variables: Mapping[str, str],
        options: Sequence[str] = EXPORTERS,
    ) -> None:
        launcher = Path(sys.executable).with_name("opentelemetry-instrument")
        if not launcher.exists():
            raise FileNotFoundError(
                f"{launcher}: pip install 'together-otel[zero-code]' puts it there"
            )
        self.address = f"127.0.0.1:{free_port()}"
        """Where it can be scraped, as ``host:port``."""
        self.asked = 0
        self.outcomes: list[str] = []
        """What the application reported of each question, in order."""
        self._keys = list(variables.values())
        self._said: list[str] = []
        self._telemetry: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._process = subprocess.Popen(  # noqa: S603 - this environment's own programs
            [
                launcher,
                *options,
                *(sys.executable, APPLICATION),
            ],
            env={
                **{name: os.environ[name] for name in _INHERITED if name in os.environ},
                "OTEL_SERVICE_NAME": service,
                "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
                "OTEL_EXPORTER_PROMETHEUS_PORT": self.address.rpartition(":")[2],
                "TOGETHER_BASE_URL": server.base_url_for(version("together")),
                "TOGETHER_NO_BANNER": "1",
                **variables,
            },
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self._telemetry)),
            threading.Thread(target=self._read, args=(self._process.stderr, self._said)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Worker:  # noqa: PYI034 - Self needs 3.11 or another package
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._end()

    def ask(self) -> None:
        """Give the application one question more; one that has died does not mind."""
        self.asked += 1
        with suppress(BrokenPipeError):
            self._stdin.write(b"What is observability?\n")

    def wait(self, timeout: float = PATIENCE) -> list[str]:
        """Return the outcomes of all questions asked so far, or of fewer if the process died.

        Raises:
            TimeoutError: when there are fewer after so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._ended or len(self.outcomes) >= self.asked, timeout
            ):
                last_words = redact("".join(self._said[-3:]), self._keys)
                raise TimeoutError(
                    f"{len(self.outcomes)} of {self.asked} questions after {timeout:g} s; the"
                    f" application's last words: {last_words}"
                )
            return list(self.outcomes)

    def scrape(self) -> str:
        """Return what ``/metrics`` shows, empty when nobody answers there."""
        try:
            return fetch(f"http://{self.address}/metrics").body.decode()
        except (OSError, HTTPException):
            return ""

    def finish(self) -> None:
        """Let the application end by itself, which makes it flush its telemetry."""
        with suppress(subprocess.TimeoutExpired):
            self._stdin.close()
            self._process.wait(PATIENCE)
        self._process.kill()
        self._end()

    @property
    def failures(self) -> list[str]:
        """What the SDK said of each question that failed, or the exception it died of."""
        failed = [
            outcome.removeprefix(_FAILED)
            for outcome in self.outcomes
            if outcome.startswith(_FAILED)
        ]
        return failed or self._last_words()

    @property
    def telemetry(self) -> str:
        """Spans and log records as the console exporters wrote them."""
        return "".join(self._telemetry)

    @property
    def chatter(self) -> str:
        """What it wrote to standard error beside its outcomes and the exception it died of."""
        own = {*self.outcomes, *self._last_words()}
        return "\n".join(line for line in map(str.rstrip, self._said) if line not in own)

    def records(self) -> list[dict[str, Any]]:
        """Return spans and log records, each as the exporter's JSON; complete after `finish`."""
        found: list[dict[str, Any]] = []
        lines: list[str] = []
        for line in self._telemetry:
            if line.rstrip() == "{":
                lines = []
            lines.append(line)
            if line.rstrip() == "}":
                found.append(json.loads("".join(lines)))
        return found

    @property
    def _stdin(self) -> IO[bytes]:
        if self._process.stdin is None:
            raise RuntimeError("the process was started without a pipe")
        return self._process.stdin

    def _last_words(self) -> list[str]:
        lines = [line.rstrip() for line in self._said]
        # What Python ignores at its exit (from 3.12 on, the flush of OpenTelemetry's logging
        # handler, which wants a thread by then) is not what the application died of.
        starts = [
            place
            for place, line in enumerate(lines)
            if line.startswith(_TRACEBACK) and not lines[place - 1].startswith(_IGNORED)
        ]
        if not starts:
            return []
        after = lines[starts[-1] + 1 :]
        return [next((line for line in after if line and not line.startswith(" ")), "")]

    def _read(self, pipe: IO[bytes], lines: list[str]) -> None:
        for raw in pipe:
            line = raw.decode(errors="replace")
            with self._changed:
                lines.append(line)
                if lines is self._said and line.startswith((_ANSWERED, _FAILED)):
                    self.outcomes.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            # Outcomes come by standard error: nothing follows once that has ended.
            self._ended = self._ended or lines is self._said
            self._changed.notify_all()

    def _end(self) -> None:
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def counted(exposition: str, metric: Metric, label: str) -> dict[str, float]:
    """Return a counter's sums by one label, from the text of a scrape."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == metric.prometheus:
                value = sample.labels[label]
                sums[value] = sums.get(value, 0.0) + sample.value
    return sums
