"""Inspects a key without sending it, and reports the result without the key."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from together_otel.keys.examination import examine, examine_object, may_be_text
from together_otel.keys.formats import LOOKALIKES, is_lookalike, shape_of, shown_name
from together_otel.keys.reader import TOGETHER, Reader, variables_of
from together_otel.keys.secret import digest_of, identity_of, text_of
from together_otel.names import KEY_VARIABLE, Format, Presence, Problem, Source

FINGERPRINT_MINIMUM: Final = 20
"""Characters of the shortest key that cannot be found from its digest by trying all."""

_LOGIN: Final = r"(?i)(?:basic|digest)\s"
"""The beginning of an Authorization header with a password, which a person may have chosen."""

_OF_A_KEY: Final = r"(?i)key|token|secret|together"  # found in names of variables that hold a key


@dataclass(frozen=True, slots=True)
class KeyReport:
    """The result of inspecting a key. The key cannot be recovered from it.

    Attributes:
        presence: whether there is a key at all.
        source: where it came from.
        format: its format.
        problems: its problems, in the contract's order.
        length: its length in characters as given; ``None`` if missing.
        fingerprint: 8 hex digits of a domain-separated BLAKE2b of the stripped key; ``None``
            for keys under 20 characters, for logins, or when switched off.
        variable: the environment variable that it came from, also if its text was passed as an
            argument; without a usable key, the variable that holds a key of Together's shape.
            Invisible characters are escaped.
        provider: the other provider that it belongs to.
        lookalike: another variable that holds a key of Together's shape; searched for only if
            this key is missing, empty or a placeholder.
        shadows: the client's variable with a well-formed key that this one hides, or that was not
            sent although there is no other.
        own_variable: for a key from another variable, whether TOGETHER_API_KEY holds a key of
            Together's shape, is empty or is unset; ``None`` if it holds anything else.
        reader: the client, by the variables that it reads.
        identity: digest that identifies the key within this process, whatever white space
            surrounds it.
        text_identity: the same for its exact text: a key accepted with a space may be refused
            without it.
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
        """The variable to set: TOGETHER_API_KEY, where the client reads it."""
        variables = self.reader.variables
        return KEY_VARIABLE if KEY_VARIABLE in variables else variables[0]

    @property
    def well_formed(self) -> bool:
        """Whether it has Together's shape and no problems."""
        return self.format in ("tgp_v1", "legacy_hex") and not self.problems

    @property
    def usable(self) -> bool:
        """Whether it could work: a key of unknown shape may, a damaged one cannot."""
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
        key: the key. ``None`` means the key in ``environ`` if ``source`` is not given, else that
            there is no key. Other objects are converted to the text that the SDK would send.
        source: where the key came from; detected by default.
        environ: environment variables; the process's own by default.
        fingerprint: whether the report may carry a fingerprint.
        reader: the client, by the variables that it reads.
    """
    # First: the conversion may run code of the application, which may log with our locals in view.
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
        None if good or source != "argument" else _good(environ, reader),
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
        shadows=_good(environ, reader)
        if source == ("none" if text is None else "argument")
        else None,
        reader=reader,
        identity=b"" if text is None else identity_of(text),
        text_identity=b"" if text is None else digest_of(text),
    )


def _fingerprint(stripped: str) -> str | None:
    if len(stripped) < FINGERPRINT_MINIMUM or re.match(_LOGIN, stripped):
        return None
    data = stripped.encode(errors="surrogatepass")
    return blake2b(data, digest_size=4, person=b"together_otel.fp").hexdigest()


def _holder(text: str | None, environ: Mapping[str, str], reader: Reader) -> str:
    """Return the client's variable that holds a text."""
    name, found = reader.find(environ)
    return name if name is not None and found == text else reader.variables[0]


def _good(environ: Mapping[str, str], reader: Reader) -> str | None:
    """Return the first of a client's variables with a key of Together's shape."""
    return next((name for name in reader.variables if shape_of(environ.get(name, ""))), None)


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
        return None  # the right variable has a key: no other was intended
    found = [
        name
        for name, value in variables_of(environ)
        if name not in reader.variables
        and (shape := shape_of(value.strip())) is not None
        # Any hexadecimal digest has the shape of an old key.
        and (shape == "tgp_v1" or name == KEY_VARIABLE or is_lookalike(name))
    ]
    return shown_name(min(found, key=_preference)) if found else None


def _variable_of(text: str, environ: Mapping[str, str], reader: Reader) -> str | None:
    """Return the variable whose value was passed as an argument, ``None`` if there is none.

    Short values may match by chance: then the variable's name must suggest a key.
    """
    holder = _holder(text, environ, reader)
    if environ.get(holder) == text:
        return holder
    found = [
        name
        for name, value in variables_of(environ)
        if value == text
        and (len(text) >= FINGERPRINT_MINIMUM or re.search(_OF_A_KEY, name) or is_lookalike(name))
    ]
    return shown_name(min(found, key=_preference)) if found else None


def _preference(variable: str) -> tuple[int, str]:
    """Return a sort key: TOGETHER_API_KEY first, then misspelt names, known names, and others."""
    name = variable.upper()
    if name in LOOKALIKES:
        return LOOKALIKES.index(name), variable
    return (
        -1 if is_lookalike(variable) else -2 if name == KEY_VARIABLE else len(LOOKALIKES),
        variable,
    )
