"""A key → a `KeyReport`: what can be known of it without sending it anywhere."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from together_otel.keys.formats import (
    LEGACY_LENGTH,
    LOOKALIKES,
    PUBLIC_PREFIX,
    V1_LENGTH,
    is_lookalike,
    is_placeholder,
    is_reference,
    provider_of,
    shape_of,
)
from together_otel.names import KEY_VARIABLE, PROBLEMS, Format, Presence, Problem, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

FINGERPRINT_MINIMUM: Final = 20
"""Characters from which on a digest cannot be searched for its key."""

_NEAR: Final = 8
"""How many characters too few or too many still make a damaged key, not an unknown one."""

_SALT: Final = os.urandom(32)
"""Makes identities useless outside this process; forked children share it."""

_QUOTES: Final = "\"'`“”‘’«»"
_BEARER: Final = re.compile(r"bearer(?:\s+|:\s*)(?=\S)", re.IGNORECASE)
# An opaque token may hold an equals sign or a colon: what stands before one must be named
# like a variable for a key, or what follows be one.
_ASSIGNMENT: Final = re.compile(
    r"""
    (?:(?:export|set|env)\s+)?['"]?
    (?:
      [A-Za-z0-9_-]*(?:key|token|secret|together|authorization)[A-Za-z0-9_-]*['"]?\s*[=:]\s*(?=[^\s=])
    | [A-Za-z_][A-Za-z0-9_-]*['"]?\s*[=:]\s*(?=["']?(?:tgp_v1_|[0-9a-f]{64}))
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_HEX: Final = re.compile(r"[0-9a-f]+")


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


def identity_of(key: str) -> bytes:
    """Return the identity of a key within this process and its forked children."""
    return blake2b(key.strip().encode("utf-8", "surrogatepass"), digest_size=16, key=_SALT).digest()


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
    text = None if key is None else _text(key)
    if text is None or not text.strip():
        return _absent(text, source, variable, environ, in_variable)
    problems, key_format, provider = _examine(text)
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


def _text(key: object) -> str:
    try:
        return str(key)
    except Exception:  # noqa: BLE001 - any object can stand where a key should
        return type(key).__name__


def _fingerprint(stripped: str) -> str | None:
    if len(stripped) < FINGERPRINT_MINIMUM:
        return None
    data = stripped.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=4, person=b"together_otel.fp").hexdigest()


def _shadows(source: Source, in_variable: str | None) -> bool:
    return source == "argument" and in_variable is not None and shape_of(in_variable) is not None


def _lookalike(environ: Mapping[str, str], but: str) -> str | None:
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


def _examine(text: str) -> tuple[tuple[Problem, ...], Format, str | None]:
    """Return problems, format and provider of a key that is not empty."""
    found: set[Problem] = set()
    core = _unwrap(text, found)
    key_format, provider = _classify(core, found)
    if found and key_format in ("tgp_v1", "legacy_hex", "unrecognized"):
        key_format = "damaged"
    return tuple(problem for problem in PROBLEMS if problem in found), key_format, provider


def _unwrap(text: str, found: set[Problem]) -> str:
    """Return what is left of ``text`` without its wrappings; add to ``found`` what they were."""
    if "\n" in text or "\r" in text:
        found.add("newline")
    core = text
    for _ in range(4):
        before = core
        core = core.strip()
        if core not in (before, before.rstrip("\r\n")):
            found.add("surrounding_whitespace")
        visible = "".join(letter for letter in core if not _invisible(letter))
        if visible != core:
            found.add("invisible_character")
        core = visible
        for pattern, problem in (
            (_ASSIGNMENT, "assignment"),
            (_BEARER, "bearer_prefix"),
        ):
            if match := pattern.match(core):
                found.add(problem)  # type: ignore[arg-type]  # literals of the tuple above
                core = core[match.end() :]
        unquoted = _unquote(core)
        if unquoted != core:
            found.add("quoted")
            core = unquoted
        if core == before:
            break
    if any(_control(letter) for letter in text):
        found.add("control_character")
        core = "".join(letter for letter in core if not _control(letter))
    # A placeholder is often a sentence, a reference an expression: spaces are part of them.
    if len(core.split()) > 1 and not (is_placeholder(core) or is_reference(core)):
        found.add("inner_whitespace")
        core = "".join(core.split())
    if any(ord(letter) > 127 for letter in core):  # noqa: PLR2004 - the end of ASCII
        found.add("non_ascii")
    return core


def _unquote(core: str) -> str:
    if core[:2] in ("b'", 'b"') and core[-1:] == core[1:2]:
        return core[2:-1]
    if core[:1] and core[0] in _QUOTES:
        core = core[1:]
    if core[-1:] and core[-1] in _QUOTES:
        core = core[:-1]
    return core


def _control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and letter not in "\r\n\t"


def _invisible(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf"


def _classify(core: str, found: set[Problem]) -> tuple[Format, str | None]:
    if is_reference(core):
        found.add("unexpanded_reference")
        return "placeholder", None
    if shape := shape_of(core):
        return shape, None
    if is_placeholder(core) or not core:
        return "placeholder", None
    if provider := provider_of(core):
        return "other_provider", provider
    return _damage(core, found), None


def _damage(core: str, found: set[Problem]) -> Format:
    """Return ``damaged`` and what did it if ``core`` was a key of a known shape once."""
    half, odd = divmod(len(core), 2)
    if not odd and core[:half] == core[half:] and shape_of(core[:half]):
        found.add("doubled")
        return "damaged"
    lower = core.lower()
    if lower.startswith(PUBLIC_PREFIX):
        if not core.startswith(PUBLIC_PREFIX):
            found.add("case_changed")
        if len(core) < V1_LENGTH:
            found.add("too_short")
        elif len(core) > V1_LENGTH:
            found.add("too_long")
        return "damaged"
    if _HEX.fullmatch(lower):
        return _damaged_hex(core, lower, found)
    tail = core.rpartition(PUBLIC_PREFIX)[2]
    if PUBLIC_PREFIX in core and len(tail) >= V1_LENGTH - len(PUBLIC_PREFIX):
        found.add("too_long")
        return "damaged"
    if len(core) == V1_LENGTH - 1 and core.startswith(PUBLIC_PREFIX[1:]):
        found.add("too_short")
        return "damaged"
    return "unrecognized"


def _damaged_hex(core: str, lower: str, found: set[Problem]) -> Format:
    excess = len(core) - LEGACY_LENGTH
    if abs(excess) > _NEAR or len(set(lower)) == 1:
        return "unrecognized"
    if core != lower:
        found.add("case_changed")
    if excess:
        found.add("too_long" if excess > 0 else "too_short")
    return "damaged"
