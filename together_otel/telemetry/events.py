"""The contract's log events: each is one log line for people and one LogRecord for backends."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from together_otel.forks import in_forked_child
from together_otel.keys import escape_controls, redact
from together_otel.names import EVENT_NAME, Event
from together_otel.telemetry import log_lines
from together_otel.telemetry.log_records import RECORDS, SERVED, silence_handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider

    from together_otel.telemetry.log_records import Scope

_LIMIT = 256
"""How many distinct failures a process keeps apart when it holds repeated ones back."""

_QUOTED = (" ", '"', "=")


def message(event: Event, fields: Mapping[str, Any]) -> str:
    """Return ``event key=value …`` on one line: names shortened, values with spaces in quotes."""
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
    """Emit one event to both readers; an error of one is raised once the other is served.

    Args:
        event: which one.
        level: of Python's logging.
        fields: attributes under their dotted names, without secrets.
        more: attributes of the LogRecord alone, too long for a line; already redacted.
        suppressed: how many lines like this one were held back since the last; ``None`` holds
            this one back too.
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
    """Return whether an event of which no line is logged is told to anybody."""
    return RECORDS.are_taken()


def write_held_back(event: Event, fields: Mapping[str, Any], count: int) -> None:
    """Write one line that says how many like it were held back; each LogRecord had its turn."""
    text = message(event, {name: _clean(value) for name, value in fields.items()})
    log_lines.write(logging.WARNING, f"{text} suppressed={count}", {EVENT_NAME: event.name})


def _clean(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else value


class Repeats:
    """Holds repeated failures back: one an interval passes, and says how many did not.

    Args:
        interval: seconds; 0 lets every failure pass.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = threading.RLock()
        self._seen: OrderedDict[Any, tuple[float, int]] = OrderedDict()
        in_forked_child(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self.take()  # those that the parent held back are the parent's

    def take(self) -> list[tuple[Any, int]]:
        """Return what was held back since it last passed, and how often; it is told then."""
        with self._lock:
            held = [(what, count) for what, (_, count) in self._seen.items() if count]
            for what, _ in held:
                self._seen[what] = (self._seen[what][0], 0)
        return held

    def passes(self, what: Any, now: float) -> int | None:
        """Return how many were held back since the last one, or ``None`` to hold this one back.

        Args:
            what: hashable identity of the failure.
            now: seconds of a monotonic clock.
        """
        with self._lock:
            last = self._seen.get(what)
            if last is not None and now - last[0] < self._interval:
                self._seen[what] = (last[0], last[1] + 1)
                return None
            self._seen[what] = (now, 0)
            self._seen.move_to_end(what)
            if len(self._seen) > _LIMIT:
                self._seen.popitem(last=False)
            return last[1] if last is not None else 0


def listen(logger_provider: LoggerProvider | None, scope: Scope) -> Callable[[], None]:
    """Make the events seen; return what undoes it.

    Args:
        logger_provider: where their LogRecords go; ``None`` is OpenTelemetry's global one.
        scope: name, version and schema URL of the instrumentation scope.
    """
    RECORDS.scope = scope
    undoings = [RECORDS.send_to(logger_provider), silence_handlers(), log_lines.listen()]

    def undo() -> None:
        for one in undoings:
            one()

    return undo
