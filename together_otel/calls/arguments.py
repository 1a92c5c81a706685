"""What a patched function is called with, and gives, held so that no frame of ours shows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Arguments(SimpleNamespace):
    """A call's arguments, in an object that shows none of them: a key may be among them.

    So may one be in what comes of it: 1.x returns its key, and a server may repeat one.

    Made without a function of ours, whose frame an interrupt would show.

    Attributes:
        args: by position.
        kwargs: by name.
        client: the client, if any: it may show its key as well.
        function: one that is bound to it.
        value: what was returned.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    client: tuple[Any, ...] = ()
    function: Any = None
    value: Any = None

    def __repr__(self) -> str:
        return "Arguments()"
