"""Arguments and results of patched functions, held so that no frame of this package shows them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Arguments(SimpleNamespace):
    """Arguments and result of a call. The ``repr`` shows none of them: they may contain a key.

    The result may contain one because 1.x returns its key, or because a server repeats it.

    The class has no ``__init__`` of its own, whose frame an interrupt would show.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        client: a tuple with the client, if any, which may show its key as well.
        function: the function, bound to the client.
        value: the returned value.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    client: tuple[Any, ...] = ()
    function: Any = None
    value: Any = None

    def __repr__(self) -> str:
        return "Arguments()"
