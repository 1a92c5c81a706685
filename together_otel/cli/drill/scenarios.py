"""Scenarios of a drill, one for each cause: environment, client options and server."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from together_otel.clients.readers import CLIENTS
from together_otel.names import KEY_VARIABLE, Cause
from together_otel.settings import HOSTS
from together_otel.testing import behaviours
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer

_FIRST_WITH_HEADERS = 2
"""First generation of together whose client takes ``default_headers``."""
_FIRST_WITHOUT_EMPTY = 2
"""First generation of openai whose client refuses an empty key."""


@dataclass(frozen=True)
class Scenario:
    """A failure, which ends before the end of the drill.

    The application's client has the options ``bad`` while requests fail, and ``good`` afterwards.
    ``asks`` is false if its constructor fails, so that it makes no request. With ``before``,
    requests are accepted before the failure.
    """

    title: str
    variables: Mapping[str, str] = field(default_factory=dict)
    bad: Mapping[str, Any] = field(default_factory=dict)
    good: Mapping[str, Any] = field(default_factory=dict)
    asks: bool = True
    before: bool = False
    refuse: Callable[[], None] = lambda: None
    accept: Callable[[], None] = lambda: None


@contextmanager
def scenario_of(cause: Cause, keys: MadeUpKeys, client: str = "together") -> Iterator[Scenario]:
    """Start the servers of a cause's scenario; yield the scenario for a client's package."""
    reader, is_sdk = CLIENTS[client], client == "together"
    release, variable = version(client), reader.variables[0]
    generation = int(release.partition(".")[0])
    key, other = keys.together(), keys.together()
    with TogetherServer(keys=[key]) as server, TogetherServer(keys=[key]) as elsewhere:
        place = {"TOGETHER_BASE_URL": server.base_url_for(release), "TOGETHER_NO_BANNER": "1"}
        if not is_sdk:
            # For other clients, only requests to Together's hosts are instrumented.
            place = {reader.base_urls[0]: server.base_url, HOSTS: "127.0.0.1"}

        def of_key(title: str, value: str | None, holder: str = variable, **more: Any) -> Scenario:
            """Return a scenario with a key that cannot work, until a good one is passed."""
            variables = place if value is None else place | {holder: value}
            return Scenario(title, variables, good={"api_key": key}, **more)

        def of_options(title: str, **bad: object) -> Scenario:
            """Return a scenario with client options that override a good key."""
            return Scenario(title, place | {variable: key}, bad)

        def of_server(title: str, refuse: Callable[[], None], *, before: bool = False) -> Scenario:
            """Return a scenario with a server that refuses a good key."""

            def accept() -> None:
                server.always(None)
                server.accept(key)

            variables = place | {variable: key}
            return Scenario(title, variables, before=before, refuse=refuse, accept=accept)

        def answering(title: str, behaviour: behaviours.Behaviour) -> Scenario:
            return of_server(title, lambda: server.always(behaviour))

        misnamed = "TOGETHERAI_API_KEY" if is_sdk else KEY_VARIABLE
        takes_headers = not is_sdk or generation >= _FIRST_WITH_HEADERS
        headers = "default_headers" if takes_headers else "supplied_headers"
        there = elsewhere.url.replace("127.0.0.1", "localhost")
        scenarios: dict[Cause, Callable[[], Scenario]] = {
            "revoked": lambda: of_server(
                "revoked while it runs", lambda: server.revoke(key), before=True
            ),
            "rejected": lambda: of_server("a key nobody knows", lambda: server.revoke(key)),
            "missing": lambda: of_key("no key at all", None, asks=False),
            "empty": lambda: of_key(
                "an empty variable", "", asks=is_sdk or generation < _FIRST_WITHOUT_EMPTY
            ),
            "malformed": lambda: of_key("a newline at the end", key + "\n"),
            "wrong_variable": lambda: of_key(f"the key in {misnamed}", key, misnamed, asks=False),
            "not_passed": lambda: of_options("a placeholder passed", api_key="change-me"),
            "wrong_provider": lambda: of_key("another provider's key", keys.other_provider()),
            "overridden": lambda: of_options(
                "another key in a header", **{headers: {"Authorization": f"Bearer {other}"}}
            ),
            "redirected": lambda: answering("a redirect elsewhere", behaviours.redirect(there)),
            "header_lost": lambda: answering("a proxy that removes it", behaviours.lose_key()),
            "wrong_endpoint": lambda: answering("another server", behaviours.refuse("html")),
            "unknown": lambda: of_key("an unknown shape", "opaque.token/0123456789"),
        }
        yield scenarios[cause]()
