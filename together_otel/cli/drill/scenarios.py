"""The scenarios of a drill, one for each cause: environment, client options and server."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from together_otel.names import KEY_VARIABLE, Cause
from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from together_otel.testing.keys import MadeUpKeys

_MISNAMED = "TOGETHERAI_API_KEY"
_PLACEHOLDER = "change-me"
_STRANGE = "opaque.token/0123456789"
_FIRST_WITH_HEADERS = 2
"""The generation from which a client takes ``default_headers``."""


@dataclass(frozen=True)
class Scenario:
    """One failure, which ends at the end of the drill.

    Attributes:
        title: what is wrong, in a few words.
        variables: the application's key and server.
        bad: options of its client while it fails.
        good: options of its client afterwards.
        asks: whether requests are made at all; a client that is not made makes none.
        fits: whether its key fits into a header; what does not is refused by preflight, if asked.
        before: whether requests are accepted before it fails.
        refuse: makes the server refuse.
        accept: makes it accept again.
    """

    title: str
    variables: Mapping[str, str] = field(default_factory=dict)
    bad: Mapping[str, Any] = field(default_factory=dict)
    good: Mapping[str, Any] = field(default_factory=dict)
    asks: bool = True
    fits: bool = True
    before: bool = False
    refuse: Callable[[], None] = lambda: None
    accept: Callable[[], None] = lambda: None


@contextmanager
def scenario_of(cause: Cause, keys: MadeUpKeys, release: str) -> Iterator[Scenario]:
    """Start the servers of a cause's scenario; yield the scenario.

    Args:
        cause: of the failures.
        keys: makes the keys.
        release: the SDK's.
    """
    key, other = keys.together(), keys.together()
    with TogetherServer(keys=[key]) as server, TogetherServer(keys=[key]) as elsewhere:
        place = {"TOGETHER_BASE_URL": server.base_url_for(release), "TOGETHER_NO_BANNER": "1"}

        def of_key(
            title: str, value: str | None, variable: str = KEY_VARIABLE, **more: Any
        ) -> Scenario:
            """Return one of a key that cannot work, until a good one is passed."""
            variables = place if value is None else place | {variable: value}
            return Scenario(title, variables, good={"api_key": key}, **more)

        def of_options(title: str, **bad: Any) -> Scenario:
            """Return one of a client's options that spoil a good key."""
            return Scenario(title, place | {KEY_VARIABLE: key}, bad)

        def of_server(title: str, refuse: Callable[[], None], *, before: bool = False) -> Scenario:
            """Return one of a server that refuses a good key."""

            def accept() -> None:
                server.always(None)
                server.accept(key)

            variables = place | {KEY_VARIABLE: key}
            return Scenario(title, variables, before=before, refuse=refuse, accept=accept)

        def answering(title: str, behaviour: behaviours.Behaviour) -> Scenario:
            return of_server(title, lambda: server.always(behaviour))

        there = elsewhere.url.replace("127.0.0.1", "localhost")
        scenarios: dict[Cause, Callable[[], Scenario]] = {
            "revoked": lambda: of_server(
                "revoked while it runs", lambda: server.revoke(key), before=True
            ),
            "rejected": lambda: of_server("a key nobody knows", lambda: server.revoke(key)),
            "missing": lambda: of_key("no key at all", None, asks=False),
            "empty": lambda: of_key("an empty variable", "", fits=False),
            "malformed": lambda: of_key("a newline at the end", key + "\n", fits=False),
            "wrong_variable": lambda: of_key(f"the key in {_MISNAMED}", key, _MISNAMED, asks=False),
            "not_passed": lambda: of_options("a placeholder passed", api_key=_PLACEHOLDER),
            "wrong_provider": lambda: of_key("another provider's key", keys.other_provider()),
            "overridden": lambda: of_options("another key in a header", **_headers(other, release)),
            "redirected": lambda: answering("a redirect elsewhere", behaviours.redirect(there)),
            "header_lost": lambda: answering("a proxy that removes it", behaviours.lose_key()),
            "wrong_endpoint": lambda: answering("another server", behaviours.refuse("html")),
            "unknown": lambda: of_key("an unknown shape", _STRANGE),
        }
        yield scenarios[cause]()


def _headers(other: str, release: str) -> dict[str, Any]:
    new = int(release.partition(".")[0]) >= _FIRST_WITH_HEADERS
    option = "default_headers" if new else "supplied_headers"
    return {option: {"Authorization": f"Bearer {other}"}}
