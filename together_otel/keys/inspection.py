"""A key → a `KeyReport`: what can be known of it without sending it anywhere."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from together_otel.keys.examination import examine, examine_object, may_be_text
from together_otel.keys.formats import LOOKALIKES, is_lookalike, shape_of, shown_name
from together_otel.keys.reader import TOGETHER, Reader
from together_otel.keys.secret import digest_of, identity_of, text_of
from together_otel.names import KEY_VARIABLE, Format, Presence, Problem, Source

FINGERPRINT_MINIMUM: Final = 20
"""Characters from which on a digest cannot be searched for its key."""

_OF_A_KEY: Final = r"(?i)key|token|secret|together"
"""In the name of a variable that is for a key."""


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What is known of a key. It cannot give the key back.

    Attributes:
        presence: whether there is a key at all.
        source: where it came from.
        format: what it looks like.
        problems: what is wrong with it, in the contract's order.
        length: characters as given; ``None`` when missing.
        fingerprint: 8 hex digits of a domain-separated BLAKE2b of the stripped key; ``None``
            for keys under 20 characters, or when switched off.
        variable: the environment variable it came from, also when its text was passed as an
            argument, or, when there is no usable key, the one that a key of Together's shape
            sits in. Characters that are not seen are escaped.
        provider: the other provider whose key it is.
        lookalike: another variable that holds a key of Together's shape, looked for only
            when this one is missing, empty or a placeholder.
        shadows: the variable of the client that holds a well-formed key, which this one hides.
        own_variable: of a key from another variable, what TOGETHER_API_KEY holds: a key of
            Together's shape, nothing, or it is not set; ``None`` where that says nothing.
        reader: the client, by the variables that it reads.
        identity: digest keyed with a secret of this process; tells keys apart in memory. White
            space around a key does not change it.
        text_identity: the same of the very text: what was accepted with a space may not be
            without.
    """

    presence: Presence
    source: Source
    format: Format
    problems: tuple[Problem, ...] = ()
    length: int | None = None
    fingerprint: str | None = None
    variable: str | None = None
    provider: str | None = None
    lookalike: str | None = None
    shadows: str | None = None
    own_variable: Presence | None = None
    reader: Reader = TOGETHER
    identity: bytes = field(default=b"", repr=False)
    text_identity: bytes = field(default=b"", repr=False)

    @property
    def reads(self) -> str:
        """The variable to put a key into: Together's own, where the client reads it."""
        variables = self.reader.variables
        return KEY_VARIABLE if KEY_VARIABLE in variables else variables[0]

    @property
    def well_formed(self) -> bool:
        """Whether it has Together's shape and nothing is wrong with it."""
        return self.format in ("tgp_v1", "legacy_hex") and not self.problems

    @property
    def usable(self) -> bool:
        """Whether it could work: an unknown shape may, a damaged one may not."""
        return self.well_formed or (self.format == "unrecognized" and not self.problems)


def inspect_key(
    key: object = None,
    *,
    source: Source | None = None,
    environ: Mapping[str, str] | None = None,
    fingerprint: bool = True,
    reader: Reader = TOGETHER,
) -> KeyReport:
    """Inspect a key without sending it.

    Args:
        key: the key. Without ``source``, ``None`` means the one of ``environ``; with it, that
            there is no key. What is not a string is taken as it is written into a header, as
            the SDK does.
        source: where the key came from; found out when absent.
        environ: environment variables; the process's own by default.
        fingerprint: whether the report may carry a fingerprint.
        reader: the client, by the variables that it reads.
    """
    # First of all: it may be code of the application, which sees our frames when it fails or logs.
    text = None if key is None else text_of(key)
    is_text = text is None or may_be_text(key, text)
    del key
    environ = os.environ if environ is None else environ
    if source is None and text is None:
        text = reader.find(environ)[1]
        source = "none" if text is None else "environment"
    source = source or "argument"
    variable = _holder(text, environ, reader) if source == "environment" else None
    if text is None or not text.strip():
        return _absent(text, source, variable, environ, reader)
    if source == "argument":
        variable = _variable_of(text, environ, reader)
    problems, key_format, provider = examine(text) if is_text else examine_object(text)
    lookalike = _lookalike(environ, reader) if key_format == "placeholder" else None
    good = key_format in ("tgp_v1", "legacy_hex", "unrecognized") and not problems
    return KeyReport(
        "present",
        source,
        key_format,
        problems,
        len(text),
        _fingerprint(text.strip()) if fingerprint and "not_text" not in problems else None,
        lookalike or variable,
        provider,
        lookalike,
        None if good else _shadowed(source, environ, reader),
        _own_variable(variable, environ) if key_format == "other_provider" else None,
        reader,
        identity_of(text),
        digest_of(text),
    )


def _absent(
    text: str | None,
    source: Source,
    variable: str | None,
    environ: Mapping[str, str],
    reader: Reader,
) -> KeyReport:
    presence: Presence = "missing" if text is None else "empty"
    if text is not None and source == "argument":
        variable = next((name for name in reader.variables if environ.get(name) == text), None)
    lookalike = _lookalike(environ, reader)
    return KeyReport(
        presence,
        source,
        "none",
        length=None if text is None else len(text),
        variable=lookalike or variable,
        lookalike=lookalike,
        shadows=None if text is None else _shadowed(source, environ, reader),
        reader=reader,
        identity=b"" if text is None else identity_of(text),
        text_identity=b"" if text is None else digest_of(text),
    )


def _fingerprint(stripped: str) -> str | None:
    if len(stripped) < FINGERPRINT_MINIMUM:
        return None
    data = stripped.encode(errors="surrogatepass")
    return blake2b(data, digest_size=4, person=b"together_otel.fp").hexdigest()


def _holder(text: str | None, environ: Mapping[str, str], reader: Reader) -> str:
    """Return which of a client's variables a text is from."""
    name, found = reader.find(environ)
    return name if name is not None and found == text else reader.variables[0]


def _good(environ: Mapping[str, str], reader: Reader) -> str | None:
    """Return the first of a client's variables that holds a well-formed key."""
    return next(
        (name for name in reader.variables if name in environ and shape_of(environ[name])), None
    )


def _shadowed(source: Source, environ: Mapping[str, str], reader: Reader) -> str | None:
    return _good(environ, reader) if source == "argument" else None


def _own_variable(variable: str | None, environ: Mapping[str, str]) -> Presence | None:
    if variable is None or variable == KEY_VARIABLE:
        return None
    own = environ.get(KEY_VARIABLE)
    if own is None:
        return "missing"
    if not own.strip():
        return "empty"
    return "present" if shape_of(own) is not None else None


def _lookalike(environ: Mapping[str, str], reader: Reader) -> str | None:
    if _good(environ, reader) is not None:
        return None  # the right variable holds a good key: no other one was meant
    found = [
        name
        for name, value in environ.items()
        if name not in reader.variables
        and shape_of(value.strip()) is not None
        and (name == KEY_VARIABLE or is_lookalike(name))
    ]
    return shown_name(min(found, key=_telling)) if found else None


def _variable_of(text: str, environ: Mapping[str, str], reader: Reader) -> str | None:
    """Return the variable whose text was passed on as an argument, ``None`` if it is nobody's.

    A short text may be many a variable's by chance: then it must be named like one for a key.
    """
    holder = _holder(text, environ, reader)
    if environ.get(holder) == text:
        return holder
    found = [
        name
        for name, value in environ.items()
        if value == text
        and (len(text) >= FINGERPRINT_MINIMUM or re.search(_OF_A_KEY, name) or is_lookalike(name))
    ]
    return shown_name(min(found, key=_telling)) if found else None


def _telling(variable: str) -> tuple[int, str]:
    """Sort the right name first, a misspelt one next, then the known ones in their order."""
    name = variable.upper()
    if name in LOOKALIKES:
        return LOOKALIKES.index(name), variable
    return (
        -1 if is_lookalike(variable) else -2 if name == KEY_VARIABLE else len(LOOKALIKES),
        variable,
    )
