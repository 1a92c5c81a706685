"""The application of a drill: runs the commands on its standard input, one answer a line.

It runs under ``opentelemetry-instrument``, with the user's own exporters. Commands and answers are
JSON; answers are marked, as a console exporter may write to the same output.
"""

import json
import logging
import sys
from collections.abc import Mapping
from importlib import import_module
from io import TextIOWrapper
from typing import Any, cast

from together_otel import TogetherInstrumentor
from together_otel.cli.drill import MARK
from together_otel.keys import public_name, redact
from together_otel.names import AUTH_FAILURES, DRILL_ENDED, DRILL_STARTED, SCOPE
from together_otel.telemetry import events
from together_otel.telemetry.metrics import NoMetrics

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
_EVENTS = {event.name: event for event in (DRILL_STARTED, DRILL_ENDED)}
_WHERE_COUNTS_ARE_LOST = ("exit_export", "http_endpoint", "metrics")


def say(**what: object) -> None:
    """Print an answer."""
    sys.stdout.write(MARK + json.dumps(what) + "\n")
    sys.stdout.flush()


class Complaints(logging.Handler):
    """Repeats the errors of exporters."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message."""
        say(complaint=redact(record.getMessage()))


def listen() -> None:
    """Repeat OpenTelemetry's errors, and this package's warnings of lost metrics."""
    logging.getLogger("opentelemetry").addHandler(Complaints(logging.ERROR))
    losses = Complaints(logging.WARNING)
    for name in _WHERE_COUNTS_ARE_LOST:
        # Not their parent: a handler there would keep events from standard error.
        logging.getLogger(f"{SCOPE}.{name}").addHandler(losses)


CLASSES = {"together": "Together", "openai": "OpenAI"}
"""The clients that it can be, and their classes."""


class Application:
    """Makes requests as anyone's would, with a client that it keeps as long as it can.

    Args:
        client: its package.
    """

    def __init__(self, client: str) -> None:
        self._make = getattr(import_module(client), CLASSES[client])
        self._client: Any = None
        self._options: Mapping[str, Any] | None = None

    def ask(self, options: Mapping[str, Any]) -> None:
        """Make one request; print its result."""
        try:
            if self._client is None or self._options != options:
                self._client, self._options = None, options
                # Retries would only keep the drill waiting.
                self._client = self._make(max_retries=0, **options)
            self._client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "A fire drill."}]
            )
        except Exception as exc:  # noqa: BLE001 - which one differs by cause and SDK
            say(failed=public_name(type(exc)), why=" ".join(redact(str(exc)).split()))
        else:
            say(failed=None)


def counted() -> dict[str, float] | None:
    """Return the failures counted so far by cause, ``None`` when there is no instrumentation."""
    # Read here, as there may be any exporter.
    backend = TogetherInstrumentor()._backend  # noqa: SLF001
    if backend is None:
        return None
    if isinstance(backend.metrics, NoMetrics):
        return {}
    return {str(cause): value for (cause,), value in backend.metrics.counts.read(AUTH_FAILURES)}


def main() -> None:
    """Run commands until standard input ends."""
    # Exporters write from threads of their own. What one of them leaves in the text's buffer while
    # another flushes it is lost, before CPython 3.12.4.
    cast("TextIOWrapper", sys.stdout).reconfigure(write_through=True)
    listen()
    application = Application(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        if "ask" in command:
            application.ask(command["ask"])
        elif "emit" in command:
            events.emit(_EVENTS[command["emit"]], logging.WARNING, command["fields"])
            say(emitted=command["emit"])
        else:
            say(counted=counted())


if __name__ == "__main__":
    main()
