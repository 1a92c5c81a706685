"""An exception → its traceback as Python prints it, without keys, each frame made once.

While a key is refused, all calls fail at the same few places; to find a frame's line, mark its
columns and look for keys in it costs as much as the rest of a failure's telemetry.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

from together_otel.keys.redaction import redact, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, TracebackType

    from together_otel.keys.known import KnownKeys

_MOST: Final = 1024
"""Frames that are kept."""

_REPEATS: Final = 3
"""Frames of one place that Python prints in a row; of the others it tells the number."""

_PRINTED_OTHERWISE: Final = (SyntaxError, NameError, AttributeError, ImportError)
"""Python prints more of these than their texts: a line of source, a suggestion."""

_HEADER: Final = "Traceback (most recent call last):\n"
_OF_A_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_OF_A_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"

_frames: dict[tuple[int, int, str, bytes], tuple[CodeType, str]] = {}
"""Place in a code, its first line and name, the keys looked for → that code and the frame's text.

Codes are compared by identity: their hashes are slow, and so is `id` where something listens to it.
"""


def redacted_text(exc: BaseException, known: KnownKeys) -> str:
    """Return an exception's text without keys, or that it cannot be read."""
    try:
        return redact(str(exc), known)
    except Exception:  # noqa: BLE001 - an exception's own __str__ may do anything
        return "(its text cannot be read)"


def redacted_traceback(exc: BaseException, known: KnownKeys, text: str) -> str:
    """Return what ``traceback.format_exception`` does, as one text without keys.

    Args:
        exc: the exception.
        known: keys known to be involved.
        text: the exception's own, without them.
    """
    parts: list[str] = []
    for link, joint in reversed(list(_chain(exc))):
        frames = _frames_of(link, known) if _is_plain(link) else None
        if frames is None:
            whole = traceback.format_exception(exc)
            return redact("".join(whole), known)
        name = type(link).__qualname__
        if type(link).__module__ not in ("__main__", "builtins"):
            name = f"{type(link).__module__}.{name}"
        told = text if link is exc else redacted_text(link, known)
        parts += (joint, _HEADER if frames else "", *frames, name, ": " if told else "", told, "\n")
    return shortened("".join(parts))


def _chain(exc: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield an exception, then what it came of; each with what is printed before it."""
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None:
        seen.add(id(link))
        cause, context = link.__cause__, link.__context__
        if cause is not None and id(cause) not in seen:
            before, joint = cause, _OF_A_CAUSE
        elif context is not None and not link.__suppress_context__ and id(context) not in seen:
            before, joint = context, _OF_A_CONTEXT
        else:
            before, joint = None, ""
        yield link, joint
        link = before


def _is_plain(exc: BaseException) -> bool:
    """Return whether frames, name and text are all that Python prints of an exception."""
    return not (
        isinstance(exc, _PRINTED_OTHERWISE)
        or hasattr(type(exc), "exceptions")
        or getattr(exc, "__notes__", None) is not None
        or hasattr(sys, "tracebacklimit")
    )


def _frames_of(exc: BaseException, known: KnownKeys) -> list[str] | None:
    """Return the texts of an exception's frames; ``None`` where Python leaves some out."""
    frames: list[str] = []
    last, above, repeats = None, None, 0
    entry = exc.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        # Lines are looked up in a table: only where a function calls itself.
        is_again = code is last and above is not None and above.tb_lineno == entry.tb_lineno
        repeats = repeats + 1 if is_again else 1
        if repeats > _REPEATS:
            return None
        frames.append(_frame(entry, code, known))
        last, above, entry = code, entry, entry.tb_next
    return frames


def _frame(entry: TracebackType, code: CodeType, known: KnownKeys) -> str:
    place = entry.tb_lasti, code.co_firstlineno, code.co_name, known.identity
    kept = _frames.get(place)
    if kept is None or kept[0] is not code:
        if len(_frames) >= _MOST:
            _frames.clear()
        text = redact(traceback.format_tb(entry, limit=1)[0], known)
        kept = _frames[place] = code, text
    return kept[1]
