"""What goes wrong in a drill, one act a cause: keys, environment, options and a server for it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from together_otel.cli.demo.scenarios import MISNAMED
from together_otel.names import KEY_VARIABLE, Cause
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from together_otel.cli.demo.made_up import MadeUpKeys

_PLACEHOLDER = "change-me"
_STRANGE = "opaque.token/0123456789"
_FIRST_WITH_HEADERS = 2
"""The generation from which a client takes ``default_headers``."""


@dataclass(frozen=True)
class Act:
    """One thing that goes wrong, and is put right at the end.

    Attributes:
        variables: where the application looks for its key.
        bad: options of its client while it goes wrong.
        good: options of its client afterwards.
        asks: whether requests are made at all; a client that is not made makes none.
        fits: whether its key fits into a header; what does not is refused by preflight, if asked.
        before: whether requests are accepted before it goes wrong.
        refuse: makes the server refuse.
        accept: makes it accept again.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    bad: Mapping[str, Any] = field(default_factory=dict)
    good: Mapping[str, Any] = field(default_factory=dict)
    asks: bool = True
    fits: bool = True
    before: bool = False
    refuse: Callable[[], None] = lambda: None
    accept: Callable[[], None] = lambda: None


@contextmanager
def staged(cause: Cause, keys: MadeUpKeys, release: str) -> Iterator[tuple[Act, TogetherServer]]:
    """Set the stage for a cause: its act, and the server that requests go to.

    Args:
        cause: what is to be told.
        keys: makes the keys.
        release: the SDK's.
    """
    key, other = keys.together(), keys.together()
    with TogetherServer(keys=[key]) as server, TogetherServer(keys=[key]) as elsewhere:
        good_variable = {KEY_VARIABLE: key}
        right = {"api_key": key}

        def answering(behaviour: behaviours.Behaviour) -> Act:
            return Act(
                good_variable,
                refuse=lambda: server.always(behaviour),
                accept=lambda: server.always(None),
            )

        def refusing(*, before: bool) -> Act:
            return Act(
                good_variable,
                before=before,
                refuse=lambda: server.revoke(key),
                accept=lambda: server.accept(key),
            )

        acts: dict[Cause, Callable[[], Act]] = {
            "revoked": lambda: refusing(before=True),
            "rejected": lambda: refusing(before=False),
            "missing": lambda: Act(good=right, asks=False),
            "empty": lambda: Act({KEY_VARIABLE: ""}, good=right, fits=False),
            "malformed": lambda: Act({KEY_VARIABLE: key + "\n"}, good=right, fits=False),
            "wrong_variable": lambda: Act({MISNAMED: key}, good=right, asks=False),
            "not_passed": lambda: Act(good_variable, {"api_key": _PLACEHOLDER}),
            "wrong_provider": lambda: Act({KEY_VARIABLE: keys.other_provider()}, good=right),
            "overridden": lambda: Act(good_variable, _headers(other, release)),
            "redirected": lambda: answering(
                behaviours.redirect(elsewhere.url.replace("127.0.0.1", "localhost"))
            ),
            "wrong_endpoint": lambda: answering(behaviours.refuse("html")),
            "unknown": lambda: Act({KEY_VARIABLE: _STRANGE}, good=right),
        }
        yield acts[cause](), server


def _headers(other: str, release: str) -> dict[str, Any]:
    new = int(release.partition(".")[0]) >= _FIRST_WITH_HEADERS
    option = "default_headers" if new else "supplied_headers"
    return {option: {"Authorization": f"Bearer {other}"}}
