"""Formats an exception's traceback as Python prints it, without keys, with cached frames.

While a key is refused, all calls fail at the same few places; finding a frame's line, marking its
columns and redacting it costs as much as the rest of a failure's telemetry.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Final

from together_otel.guard import swallowed
from together_otel.keys.redaction import redact, shortened
from together_otel.plain.bounded import Bounded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, TracebackType

    from together_otel.keys.known import KnownKeys

_REPEATS: Final = 3
"""Consecutive equal frames that Python prints; it prints the number of the others."""

_PRINTED_OTHERWISE: Final = (SyntaxError, NameError, AttributeError, ImportError)
"""For these Python prints more than their texts: a line of source, a suggestion."""

_HEADER: Final = "Traceback (most recent call last):\n"
_OF_A_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_OF_A_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"

_frames: Bounded[tuple[int, int, str, bytes], tuple[CodeType, str]] = Bounded(1024)
"""Instruction offset, the code's first line and name, the known keys → the code and the frame's text.

The code is compared by identity: hashing it is slow, and `id` raises an audit event.
"""


def redacted_text(exc: BaseException, known: KnownKeys) -> str:
    """Return an exception's text without keys, or a notice that it cannot be read."""
    with swallowed:  # an exception's own __str__ may raise anything
        return redact(str(exc), known)
    return "(its text cannot be read)"


def redacted_traceback(exc: BaseException, known: KnownKeys, text: str) -> str:
    """Return the result of ``traceback.format_exception`` as one text without keys.

    ``text`` is the exception's redacted text.
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
        message = text if link is exc else redacted_text(link, known)
        parts += (
            joint,
            _HEADER if frames else "",
            *frames,
            name,
            ": " if message else "",
            message,
            "\n",
        )
    return shortened("".join(parts))


def _chain(exc: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield an exception and those it was caused by, each with the text printed before it."""
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
    """Return whether Python prints nothing of an exception but frames, name and text."""
    return not (
        isinstance(exc, _PRINTED_OTHERWISE)
        or hasattr(type(exc), "exceptions")
        or getattr(exc, "__notes__", None) is not None
        or hasattr(sys, "tracebacklimit")
    )


def _frames_of(exc: BaseException, known: KnownKeys) -> list[str] | None:
    """Return the texts of an exception's frames; ``None`` where Python would leave some out."""
    frames: list[str] = []
    last, above, repeats = None, None, 0
    entry = exc.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        # Reading tb_lineno decodes a table: only done where a function calls itself.
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
        text = redact(traceback.format_tb(entry, limit=1)[0], known)
        kept = _frames[place] = code, text
    return kept[1]
