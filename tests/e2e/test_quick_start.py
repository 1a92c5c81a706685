"""The README's first command, run as it stands."""

import re
import shlex

from together_otel.cli.doctor.content import counts
from together_otel.cli.drill.processes import Process, isolated, variables_of
from together_otel.names import AUTH_CAUSE, AUTH_FAILURES, CAUSES, REQUEST_OUTCOME, REQUESTS
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.programs import CHECKOUT
from together_otel.testing.server import TogetherServer

LAUNCHER = "opentelemetry-instrument"


def quick_start():
    """Return the variables and the options of the first command with the launcher."""
    readme = (CHECKOUT / "README.md").read_text().replace("\\\n", " ")
    found = re.search(rf"^(?:\$ )?((?:\w+=\S+ )*{LAUNCHER} .*)$", readme, re.MULTILINE)
    assert found, f"the README shows no command with {LAUNCHER}"
    words = shlex.split(found[1], comments=True)
    start = words.index(LAUNCHER)
    program = next(place for place, word in enumerate(words) if word.startswith("python"))
    variables = dict(word.split("=", 1) for word in words[:start])
    return variables, words[start + 1 : program]


def test_the_first_scrape_has_every_cause_at_zero():
    """A counter that is born at its first failure would hide that failure from increase()."""
    variables, options = quick_start()
    key = MadeUpKeys().together()
    with (
        TogetherServer(keys=[key]) as server,
        Process(isolated("shop", {**variables_of(server, key), **variables}), options) as process,
    ):
        assert process.ask()["failed"] is None
        samples = process.scrape()
    assert counts(samples, AUTH_FAILURES, AUTH_CAUSE) == dict.fromkeys(CAUSES, 0.0)
    assert counts(samples, REQUESTS, REQUEST_OUTCOME) == {"success": 1.0, "auth_failure": 0.0}
