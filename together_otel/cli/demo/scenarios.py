"""What can be wrong with a key, as the environment of a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from together_otel.names import KEY_VARIABLE, Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from together_otel.cli.demo.made_up import MadeUpKeys

MISNAMED = "TOGETHERAI_API_KEY"


@dataclass(frozen=True)
class Scenario:
    """One way to start the application.

    Attributes:
        title: what is wrong, in a few words.
        variables: the environment that holds the key, or does not.
        cause: what together_otel should name; ``None`` when nothing is wrong.
        revoked: whether the key is good at first and taken back while the process runs.
    """

    title: str
    variables: Mapping[str, str]
    cause: Cause | None
    revoked: bool = False

    @property
    def key(self) -> str:
        """The key that the SDK finds."""
        return self.variables.get(KEY_VARIABLE, "")


def scenarios(keys: MadeUpKeys) -> list[Scenario]:
    """Return the scenarios in the order in which they are shown; the revoked one is the last."""
    return [
        Scenario("a good key", {KEY_VARIABLE: keys.together()}, None),
        Scenario("an empty variable", {KEY_VARIABLE: ""}, "empty"),
        Scenario("a newline at the end", {KEY_VARIABLE: keys.together() + "\n"}, "malformed"),
        Scenario("another provider's key", {KEY_VARIABLE: keys.other_provider()}, "wrong_provider"),
        Scenario(
            f"the key in {MISNAMED}",
            {KEY_VARIABLE: "", MISNAMED: keys.together()},
            "wrong_variable",
        ),
        Scenario("no key at all", {}, "missing"),
        Scenario("revoked while it runs", {KEY_VARIABLE: keys.together()}, "revoked", revoked=True),
    ]
