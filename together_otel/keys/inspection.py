"""A key → a `KeyReport`: what can be known of it without sending it anywhere."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from together_otel.keys.examination import examine
from together_otel.keys.formats import LOOKALIKES, is_lookalike, shape_of
from together_otel.keys.secret import identity_of, text_of
from together_otel.names import KEY_VARIABLE, Format, Presence, Problem, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

FINGERPRINT_MINIMUM: Final = 20
"""Characters from which on a digest cannot be searched for its key."""


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
        variable: the environment variable it came from or, when there is no usable key,
            the one that a key of Together's shape sits in.
        provider: the other provider whose key it is.
        lookalike: another variable that holds a key of Together's shape, looked for only
            when this one is missing, empty or a placeholder.
        shadows_good_key: whether it stands before a well-formed key in TOGETHER_API_KEY.
        identity: digest keyed with a secret of this process; tells keys apart in memory.
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
    shadows_good_key: bool = False
    identity: bytes = field(default=b"", repr=False)

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
) -> KeyReport:
    """Inspect a key without sending it.

    Args:
        key: the key. Without ``source``, ``None`` means TOGETHER_API_KEY of ``environ``;
            with it, that there is no key. What is not a string is taken as ``str(key)``,
            as the SDK does.
        source: where the key came from; found out when absent.
        environ: environment variables; the process's own by default.
        fingerprint: whether the report may carry a fingerprint.
    """
    environ = os.environ if environ is None else environ
    in_variable = environ.get(KEY_VARIABLE)
    if source is None:
        source = "argument" if key is not None else "environment"
        if key is None and in_variable is None:
            source = "none"
        key = in_variable if key is None else key
    variable = KEY_VARIABLE if source == "environment" else None
    text = None if key is None else text_of(key)
    if text is None or not text.strip():
        return _absent(text, source, variable, environ, in_variable)
    problems, key_format, provider = examine(text)
    stripped = text.strip()
    lookalike = _lookalike(environ, text) if key_format == "placeholder" else None
    good = key_format in ("tgp_v1", "legacy_hex", "unrecognized") and not problems
    return KeyReport(
        "present",
        source,
        key_format,
        problems,
        len(text),
        _fingerprint(stripped) if fingerprint else None,
        lookalike or variable,
        provider,
        lookalike,
        not good and _shadows(source, in_variable),
        identity_of(text),
    )


def _absent(
    text: str | None,
    source: Source,
    variable: str | None,
    environ: Mapping[str, str],
    in_variable: str | None,
) -> KeyReport:
    presence: Presence = "missing" if text is None else "empty"
    lookalike = _lookalike(environ, text or "")
    return KeyReport(
        presence,
        source,
        "none",
        length=None if text is None else len(text),
        variable=lookalike or variable,
        lookalike=lookalike,
        shadows_good_key=text is not None and _shadows(source, in_variable),
        identity=b"" if text is None else identity_of(text),
    )


def _fingerprint(stripped: str) -> str | None:
    if len(stripped) < FINGERPRINT_MINIMUM:
        return None
    data = stripped.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=4, person=b"together_otel.fp").hexdigest()


def _shadows(source: Source, in_variable: str | None) -> bool:
    return source == "argument" and in_variable is not None and shape_of(in_variable) is not None


def _lookalike(environ: Mapping[str, str], but: str) -> str | None:
    if shape_of(environ.get(KEY_VARIABLE, "")) is not None:
        return None  # the right variable holds a good key: no other one was meant
    found = [
        name
        for name, value in environ.items()
        if value != but and shape_of(value.strip()) is not None and is_lookalike(name)
    ]
    return min(found, default=None, key=_telling)


def _telling(variable: str) -> tuple[int, str]:
    """Sort a misspelt name first, then the known ones in their order."""
    name = variable.upper()
    return (LOOKALIKES.index(name) if name in LOOKALIKES else -1, variable)
