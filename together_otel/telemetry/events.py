"""The contract's log events: one call of Python's logging each, and nothing else.

A person reads the message, a machine the ``extra`` fields; OpenTelemetry's logging
instrumentation makes one LogRecord of it, with its event name and trace context.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from together_otel.forks import in_forked_child
from together_otel.keys import redact
from together_otel.names import EVENT_NAME, SCOPE, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider

_LIMIT = 256
"""How many distinct failures a process keeps apart when it holds repeated ones back."""

_QUOTED = (" ", '"', "=")


def logger() -> logging.Logger:
    """Return the logger of the events."""
    return logging.getLogger(SCOPE)


def message(event: Event, fields: Mapping[str, Any]) -> str:
    """Return ``event key=value …``: names shortened, values with spaces in quotes."""
    parts = [event.name]
    for name, value in fields.items():
        short = name.removeprefix("together.").removeprefix("gen_ai.").removeprefix("auth.")
        text = ",".join(value) if isinstance(value, (list, tuple)) else str(value)
        if not text or any(mark in text for mark in _QUOTED):
            text = '"' + text.replace('"', "'") + '"'
        parts.append(f"{short}={text}")
    return " ".join(parts)


def emit(
    event: Event,
    level: int,
    fields: Mapping[str, Any],
    content: Mapping[str, list[Any]] | None = None,
) -> None:
    """Log one event.

    Args:
        event: which one.
        level: of Python's logging.
        fields: attributes under their dotted names, without secrets.
        content: attributes too long for a message that a person reads, already redacted.
    """
    log = logger()
    if not log.isEnabledFor(level):
        return
    clean = {
        name: [_clean(item) for item in value]
        if isinstance(value, (list, tuple))
        else _clean(value)
        for name, value in fields.items()
    }
    # `%` in a message would be taken as a format of logging's.
    extra = {**clean, **(content or {}), EVENT_NAME: event.name}
    log.log(level, "%s", message(event, clean), extra=extra)


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


class LastResort(logging.Handler):
    """Keeps warnings visible on stderr where only OpenTelemetry listens.

    Python prints warnings to stderr when no handler is configured; OpenTelemetry's logging
    handler on the root logger turns that off. This one prints just in that case.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record when no other handler but OpenTelemetry's would get it."""
        if _heard(logger(), self):
            return
        if logging.lastResort is not None and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)


def _heard(log: logging.Logger | None, but: logging.Handler) -> bool:
    while log is not None:
        for handler in log.handlers:
            if handler is not but and not type(handler).__module__.startswith("opentelemetry."):
                return True
        log = log.parent if log.propagate else None
    return False


def _record_handler(logger_provider: LoggerProvider) -> logging.Handler:
    try:
        place = import_module("opentelemetry.instrumentation.logging.handler")
    except ImportError:
        # Its place in older releases, which newer ones deprecate.
        place = import_module("opentelemetry.sdk._logs")
    handler: logging.Handler = place.LoggingHandler(logger_provider=logger_provider)
    return handler


def listen(logger_provider: LoggerProvider | None) -> Callable[[], None]:
    """Make the events visible; return what undoes it.

    Python drops INFO unless a level is set: the logger's own is, if nobody set one.

    Args:
        logger_provider: where LogRecords of the events go, by a handler on our own logger;
            ``None`` leaves them to the handlers that the application or
            ``opentelemetry-instrument`` put on the root logger.
    """
    log = logger()
    handlers: list[logging.Handler] = [LastResort()]
    if logger_provider is not None:
        handlers.append(_record_handler(logger_provider))
    for handler in handlers:
        log.addHandler(handler)
    own_level = log.level == logging.NOTSET
    if own_level:
        log.setLevel(logging.INFO)

    def undo() -> None:
        for handler in handlers:
            log.removeHandler(handler)
        if own_level:
            log.setLevel(logging.NOTSET)

    return undo
