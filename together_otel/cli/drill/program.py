"""Application of a drill: runs commands from stdin and prints one reply a line.

It runs under ``opentelemetry-instrument``, with the user's own exporters. Commands and replies are
JSON. Replies have a prefix, as console exporters may write to the same output.
"""

import json
import logging
import sys
from collections.abc import Mapping
from functools import lru_cache
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
    """Print a reply."""
    sys.stdout.write(MARK + json.dumps(what) + "\n")
    sys.stdout.flush()


class Complaints(logging.Handler):
    """Reports the errors of exporters."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message as a reply."""
        say(complaint=redact(record.getMessage()))


def listen() -> None:
    """Report OpenTelemetry's errors and this package's warnings about lost metrics."""
    logging.getLogger("opentelemetry").addHandler(Complaints(logging.ERROR))
    losses = Complaints(logging.WARNING)
    for name in _WHERE_COUNTS_ARE_LOST:
        # Not on their parent, where a handler would keep log events from stderr.
        logging.getLogger(f"{SCOPE}.{name}").addHandler(losses)


CLASSES = {"together": "Together", "openai": "OpenAI"}
"""Packages of the clients that can be used, and their classes."""


@lru_cache(maxsize=1)
def _client_of(package: str, options: str) -> Any:
    """Return a package's client with options in JSON; the same one while these are equal."""
    make = getattr(import_module(package), CLASSES[package])
    # Without retries, which would only delay the drill.
    return make(max_retries=0, **json.loads(options))


def ask(package: str, options: Mapping[str, Any]) -> None:
    """Make one request, like an ordinary application; print its result."""
    try:
        _client_of(package, json.dumps(options)).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "A fire drill."}]
        )
    except Exception as exc:  # noqa: BLE001 - the class depends on cause and SDK
        say(failed=public_name(type(exc)), why=" ".join(redact(str(exc)).split()))
    else:
        say(failed=None)


def counted() -> dict[str, float] | None:
    """Return the failures counted so far by cause, or ``None`` without instrumentation."""
    # Read in the process, as any exporter may be in use.
    backend = TogetherInstrumentor()._backend  # noqa: SLF001
    if backend is None:
        return None
    if isinstance(backend.metrics, NoMetrics):
        return {}
    return {str(cause): value for (cause,), value in backend.metrics.counts.read(AUTH_FAILURES)}


def main() -> None:
    """Run commands until standard input ends."""
    # Exporters write from other threads. Before CPython 3.12.4, text that a thread writes to the
    # buffer while another one flushes it is lost.
    cast("TextIOWrapper", sys.stdout).reconfigure(write_through=True)
    listen()
    package = sys.argv[1]
    import_module(package)  # before it is asked: an error ends this process
    for line in sys.stdin:
        command = json.loads(line)
        if "ask" in command:
            ask(package, command["ask"])
        elif "emit" in command:
            events.emit(_EVENTS[command["emit"]], logging.WARNING, command["fields"])
            say(emitted=command["emit"])
        else:
            say(counted=counted())


if __name__ == "__main__":
    main()
