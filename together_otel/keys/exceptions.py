"""What telemetry may contain of an exception: its public name, redacted text and traceback."""

import sys
from dataclasses import dataclass
from itertools import accumulate

from together_otel.guard import swallowed
from together_otel.keys.known import Secrets, known_keys
from together_otel.keys.tracebacks import redacted_text, redacted_traceback


@dataclass(frozen=True, slots=True)
class RedactedException:
    """The public name of an exception's class, and its text and traceback without keys."""

    type: str
    message: str
    stacktrace: str


def redact_exception(exc: BaseException, secrets: Secrets = ()) -> RedactedException:
    """Return an exception, with its causes, as telemetry may contain it, without changing it."""
    known = known_keys(secrets)
    del secrets  # from here on the exception's own code runs, and may log
    message, stacktrace = redacted_text(exc, known), "(its traceback cannot be read)"
    with swallowed:  # code of the exception, its causes and notes runs
        stacktrace = redacted_traceback(exc, known, message)
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
