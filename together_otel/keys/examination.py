"""Examines a key: removes its wrappings, and finds its format and what is wrong with it."""

import base64
import re
import unicodedata
from typing import Final

from together_otel.keys import formats
from together_otel.keys.formats import PUBLIC_PREFIX, V1_LENGTH, holds_key, is_placeholder, shape_of
from together_otel.keys.known import LONGEST_SECRET
from together_otel.names import PROBLEMS, Format, Problem

_NEAR: Final = 8
"""Missing or excess characters up to which a hexadecimal key counts as damaged, not unknown."""

_LAYERS: Final = 4
"""Layers of wrapping that are removed: an assignment of a quoted header has three."""

_QUOTES: Final = "\"'`“”‘’«»"  # noqa: RUF001 - word processors put them there
_BEARER: Final = r"(?i)\Abearer(?:\s+|:\s*)(?=\S)"
# An opaque token may contain an equals sign or a colon: the text before it must look like a variable
# for a key, or the text after it like a key.
_ASSIGNMENT: Final = r"""(?xi)
    \A(?:(?:export|set|env)\s+)?['"]?
    (?:
      [A-Za-z0-9_-]*(?:key|token|secret|together|authorization)[A-Za-z0-9_-]*['"]?\s*[=:]\s*(?=[^\s=])
    | [A-Za-z_][A-Za-z0-9_-]*['"]?\s*[=:]\s*(?=["']?(?:tgp_v1_|[0-9a-f]{64}))
    )
    """
_NEVER_TEXT: Final = (
    bytes | bytearray | memoryview | int | float | complex | tuple | list | dict | set | frozenset
)
_WHITE: Final = "\r\n\t"
_HEX: Final = r"[0-9a-f]+"
_BASE64: Final = r"[A-Za-z0-9+/_-]{24,4096}={0,2}"
_PADDING: Final = "=="  # the most that base64 may lack; the decoder ignores excess padding


def examine(text: str) -> tuple[tuple[Problem, ...], Format, str | None]:
    """Return a key's problems, its format, and the other provider that it belongs to, if any.

    The text is the key as given, not only white space.
    """
    found: set[Problem] = set()
    core = _unwrap(text, found)
    provider = None
    key_format: Format = "placeholder"
    if "json_document" in found:
        key_format = "damaged" if holds_key(core) else "unrecognized"
    elif "file_path" not in found:
        key_format, provider = _classify(core, found)
    if found and key_format in ("tgp_v1", "legacy_hex"):
        key_format = "damaged"
    return tuple(problem for problem in PROBLEMS if problem in found), key_format, provider


def may_be_text(key: object, text: str) -> bool:
    """Return whether a key is a string, or an object that converts itself to a meaningful one."""
    if isinstance(key, str):
        return str.__str__(key) == text  # an Enum member may be converted to its name
    cls = type(key)
    if isinstance(key, _NEVER_TEXT) or callable(key) or cls.__str__ is object.__str__:
        return False
    # A failed conversion gives the type's name, and that of a SecretStr asterisks.
    return text != cls.__name__ and not is_placeholder(text)


def examine_object(text: str) -> tuple[tuple[Problem, ...], Format, None]:
    """Return the same as `examine` for the text of an object that is not meant to be one."""
    key_format: Format = "placeholder" if is_placeholder(text) else "unrecognized"
    return ("not_text",), "damaged" if holds_key(text) else key_format, None


def _unwrap(text: str, found: set[Problem]) -> str:
    """Return ``text`` without its wrappings; add the problems that these are to ``found``."""
    if "\n" in text or "\r" in text:
        found.add("newline")
    core = text
    for _ in range(_LAYERS):
        inner = _peel(core, found)
        if inner == core:
            break
        core = inner
    if formats.is_document(core):
        found.discard("newline")  # it belongs to the document
        found.add("json_document")
        return core
    if formats.is_place(core):
        found.add("file_path")
        return core
    if any(_control(letter) for letter in text):
        found.add("control_character")
        core = "".join(letter for letter in core if not _control(letter))
    # Placeholders are often sentences, references expressions: spaces belong to them.
    if len(core.split()) > 1 and not (is_placeholder(core) or formats.is_reference(core)):
        found.add("inner_whitespace")
        core = "".join(core.split())
    if not core.isascii():
        found.add("non_ascii")
    return core


def _peel(core: str, found: set[Problem]) -> str:
    """Remove one layer of each kind."""
    stripped = core.strip()
    if stripped not in (core, core.rstrip("\r\n")):
        found.add("surrounding_whitespace")
    visible = "".join(letter for letter in stripped if unicodedata.category(letter) != "Cf")
    if visible != stripped:
        found.add("invisible_character")
    bare = re.sub(_BEARER, "", visible)
    if bare != visible:
        found.add("bearer_prefix")
    # A reference to a secret store contains a colon, but is no assignment.
    value = bare if formats.is_place(_unquote(bare)) else re.sub(_ASSIGNMENT, "", bare)
    if value != bare:
        found.add("assignment")
    unquoted = _unquote(value)
    if unquoted != value:
        found.add("quoted")
    return unquoted


def _unquote(core: str) -> str:
    if core[:2] in ("b'", 'b"') and core[-1:] == core[1:2]:
        return core[2:-1]
    if core[:1] in _QUOTES:
        core = core[1:]
    if core[-1:] in _QUOTES:
        core = core[:-1]
    return core


def _control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and letter not in _WHITE


def _classify(core: str, found: set[Problem]) -> tuple[Format, str | None]:
    if formats.is_reference(core):
        found.add("unexpanded_reference")
        return "placeholder", None
    if shape := shape_of(core):
        return shape, None
    if is_placeholder(core) or not core:
        return "placeholder", None
    if provider := formats.provider_of(core):
        return "other_provider", provider
    if inner := _decoded(core):
        _, key_format, provider = examine(inner)
        if key_format in ("tgp_v1", "legacy_hex", "damaged", "other_provider"):
            found.add("base64_encoded")
            return key_format, provider
    return _damage(core, found), None


def _decoded(core: str) -> str | None:
    """Return the text that ``core`` encodes in base64, of either alphabet; ``None`` if it is none."""
    if not re.fullmatch(_BASE64, core):
        return None
    digits = core.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + _PADDING).decode().strip()
    except ValueError:
        return None


def _damage(core: str, found: set[Problem]) -> Format:
    """Return ``damaged`` and add the problem if ``core`` is a damaged key of a known shape."""
    half = len(core) // 2
    if core[:half] == core[half:] and shape_of(core[:half]):
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
    if re.fullmatch(_HEX, lower):
        return _damaged_hex(core, lower, found)
    if len(core.partition(PUBLIC_PREFIX)[2]) >= V1_LENGTH - len(PUBLIC_PREFIX):
        found.add("too_long")
        return "damaged"
    if len(core) == V1_LENGTH - 1 and core.startswith(PUBLIC_PREFIX[1:]):
        found.add("too_short")
        return "damaged"
    if len(core) > LONGEST_SECRET:
        found.add("too_long")
    return "unrecognized"


def _damaged_hex(core: str, lower: str, found: set[Problem]) -> Format:
    excess = len(core) - formats.LEGACY_LENGTH
    if abs(excess) > _NEAR or len(set(lower)) == 1:
        return "unrecognized"
    if core != lower:
        found.add("case_changed")
    if excess > 0:
        found.add("too_long")
    if excess < 0:
        found.add("too_short")
    return "damaged"
