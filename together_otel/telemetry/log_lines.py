"""Log lines of the events, for people: the logger ``together_otel`` of Python's logging."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from together_otel.names import SCOPE

_log = logging.getLogger(SCOPE)


def write(level: int, text: str, extra: Mapping[str, Any]) -> None:
    """Log one event, even if the application's logging configuration has disabled the logger.

    ``extra`` has attributes of the ``logging.LogRecord``, for formatters.
    """
    if _log.disabled:
        _enable()
    if _log.isEnabledFor(level):
        # As an argument: the text may contain `%`.
        _log.log(level, "%s", text, extra=extra)


def _enable() -> None:
    for name, one in list(_log.manager.loggerDict.items()):
        if isinstance(one, logging.Logger) and (name == SCOPE or name.startswith(f"{SCOPE}.")):
            one.disabled = False
    _log.warning(
        "The application's logging configuration disabled the logger %s; it is enabled again, "
        "because it reports failures of API keys. Set disable_existing_loggers to False, or a "
        "level for this logger.",
        SCOPE,
    )


class LastResort(logging.Handler):
    """Prints warnings with time and level to stderr if there is no handler but OpenTelemetry's.

    Python's last resort prints only the message, and nothing if OpenTelemetry's handler is on the
    root logger.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def handle(self, record: logging.LogRecord) -> bool:
        """Print the record if no other handler gets it, without taking this handler's lock."""
        last = logging.lastResort
        if last is None or record.levelno < last.level or self._is_heard(record.name):
            return False
        if last.formatter is None:
            record = logging.makeLogRecord({"msg": self.format(record), "levelno": record.levelno})
        last.handle(record)
        return True

    def _is_heard(self, name: str) -> bool:
        log: logging.Logger | None = logging.getLogger(name)
        while log is not None:
            for one in log.handlers:
                if one is not self and not type(one).__module__.startswith("opentelemetry."):
                    return True
            log = log.parent if log.propagate else None
        return False


def listen() -> Callable[[], None]:
    """Make the lines visible; return a function that undoes it.

    Sets the logger's level to INFO if it has none, as Python drops INFO otherwise.
    """
    handler = LastResort()
    _log.addHandler(handler)
    own_level = _log.level == logging.NOTSET
    if own_level:
        _log.setLevel(logging.INFO)

    def undo() -> None:
        _log.removeHandler(handler)
        if own_level and _log.level == logging.INFO:  # the application has set none since
            _log.setLevel(logging.NOTSET)

    return undo
