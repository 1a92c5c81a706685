"""Log events: each is one log line for people and one LogRecord for backends."""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from together_otel.forks import ForkSafeLock, in_forked_child
from together_otel.keys import escape_controls, redact
from together_otel.names import EVENT_NAME, Event
from together_otel.telemetry import log_lines
from together_otel.telemetry.log_records import RECORDS, SERVED, silence_handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider

    from together_otel.telemetry.log_records import Scope

_LIMIT = 256  # maximum number of distinct failures for which `Repeats` suppresses repetitions

_QUOTED = (" ", '"', "=")


def message(event: Event, fields: Mapping[str, Any]) -> str:
    """Return ``event key=value …`` on one line, with short names and quotes around spaces."""
    parts = [event.name]
    for name, value in fields.items():
        short = name.removeprefix("together.").removeprefix("gen_ai.").removeprefix("auth.")
        text = ",".join(value) if isinstance(value, (list, tuple)) else str(value)
        if not text or any(mark in text for mark in _QUOTED):
            text = '"' + text.replace('"', "'") + '"'
        parts.append(f"{short}={escape_controls(text)}")
    return " ".join(parts)


def emit(
    event: Event,
    level: int,
    fields: Mapping[str, Any],
    *,
    more: Mapping[str, Any] | None = None,
    suppressed: int | None = 0,
) -> None:
    """Emit one event as a LogRecord and a log line; the line is logged even if the former raises.

    The fields are attributes by their dotted names, without secrets; ``more`` has redacted ones
    that are too long for a line. ``suppressed`` is the number of lines suppressed since the last
    one; ``None`` suppresses this one, too.
    """
    clean = {
        name: [_clean(item) for item in value]
        if isinstance(value, (list, tuple))
        else _clean(value)
        for name, value in fields.items()
    }
    text, served = message(event, clean), False
    try:
        served = RECORDS.emit(event.name, level, text, {**clean, **(more or {})})
    finally:
        if suppressed is not None:
            text += f" suppressed={suppressed}" if suppressed else ""
            extra = {**clean, EVENT_NAME: event.name}
            log_lines.write(level, text, extra | {SERVED: True} if served else extra)


def are_records_taken() -> bool:
    """Return whether any provider is set, which gets the LogRecords of suppressed lines, too."""
    return RECORDS.are_taken()


def write_held_back(event: Event, fields: Mapping[str, Any], count: int) -> None:
    """Log one line with the number of suppressed ones; their LogRecords have been emitted."""
    text = message(event, {name: _clean(value) for name, value in fields.items()})
    log_lines.write(logging.WARNING, f"{text} suppressed={count}", {EVENT_NAME: event.name})


def _clean(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value


class Repeats:
    """Suppresses repeated failures: one per interval in seconds passes, others are counted."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = ForkSafeLock()
        self._seen: OrderedDict[Any, tuple[float, int]] = OrderedDict()
        in_forked_child(self.take)  # the parent reports those that it suppressed

    def take(self) -> list[tuple[Any, int]]:
        """Return each failure that was suppressed since it last passed, and its count; reset it."""
        with self._lock:
            held = [(what, count) for what, (_, count) in self._seen.items() if count]
            for what, _ in held:
                self._seen[what] = (self._seen[what][0], 0)
        return held

    def passes(self, what: Any, now: float) -> int | None:
        """Return the number suppressed since the last that passed, ``None`` to suppress this one.

        ``now`` is in seconds of a monotonic clock.
        """
        with self._lock:
            last = self._seen.get(what)
            # A clock that goes back, as in tests, must not suppress events for years.
            if last is not None and 0 <= now - last[0] < self._interval:
                self._seen[what] = (last[0], last[1] + 1)
                return None
            self._seen[what] = (now, 0)
            self._seen.move_to_end(what)
            if len(self._seen) > _LIMIT:
                self._seen.popitem(last=False)
            return last[1] if last is not None else 0


def listen(logger_provider: LoggerProvider | None, scope: Scope) -> Callable[[], None]:
    """Start to emit the events; return a function that undoes it.

    ``None`` stands for OpenTelemetry's global logger provider. ``scope`` has the name, version and
    schema URL of the instrumentation scope.
    """
    RECORDS.scope = scope
    undoings = ExitStack()
    for undo in (log_lines.listen(), silence_handlers(), RECORDS.send_to(logger_provider)):
        undoings.callback(undo)
    return undoings.close
