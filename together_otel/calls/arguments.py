"""Arguments and results of patched functions, held so that no frame of this package shows them."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any


class Arguments(SimpleNamespace):
    """Arguments and result of a call. The ``repr`` shows none of them: they may contain a key.

    The result may contain one because 1.x returns its key, or because a server repeats it.

    The class has no ``__init__`` of its own, whose frame an interrupt would show.

    Some loggers also show the attributes that a frame's current line names. So a call with these
    arguments is a `Work`, or spans several lines: a traceback names the first, without them.

    ``client`` is a tuple with the client, if any, which may show its key as well. ``function`` is
    bound to it. ``value`` is what was returned.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    client: tuple[Any, ...] = ()
    function: Any = None
    value: Any = None

    def __repr__(self) -> str:
        return "Arguments()"


class Work(partial[Any]):
    """A function with its arguments, none of which its ``repr`` shows."""

    def __repr__(self) -> str:
        return "Work()"
