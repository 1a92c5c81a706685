"""An exception → what may be told of it: its public name, its text, its traceback."""

import sys
from dataclasses import dataclass
from itertools import accumulate

from together_otel.keys.known import Secrets, known_keys
from together_otel.keys.tracebacks import redacted_text, redacted_traceback


@dataclass(frozen=True, slots=True)
class RedactedException:
    """What may be told of an exception: its public name, its text, and its traceback."""

    type: str
    message: str
    stacktrace: str


def redact_exception(exc: BaseException, secrets: Secrets = ()) -> RedactedException:
    """Return what may be told of an exception and of its causes.

    Args:
        exc: the exception; it is not changed.
        secrets: keys known to be involved; see `known_keys`.
    """
    known = known_keys(secrets)
    del secrets  # the exception is asked from here on, and may log
    message = redacted_text(exc, known)
    try:
        stacktrace = redacted_traceback(exc, known, message)
    except Exception:  # noqa: BLE001 - it asks the exception, its causes and its notes
        stacktrace = "(its traceback cannot be read)"
    return RedactedException(public_name(type(exc)), message, stacktrace)


def public_name(cls: type) -> str:
    """Return a class's qualified name as its users import it.

    ``together._exceptions.RateLimitError`` is ``together.RateLimitError`` to them. A builtin
    has no prefix; a public module is left as it is.
    """
    module, name = str(cls.__module__), cls.__qualname__
    if module == "builtins":
        return name
    parts = module.split(".")
    private = "._" in f".{module}"
    for package in accumulate(parts if private else (), "{}.{}".format):
        # Not getattr: a module's own __getattr__ may import, or fail.
        if getattr(sys.modules.get(package), "__dict__", {}).get(name) is cls:
            return f"{package}.{name}"
    return f"{module}.{name}"
