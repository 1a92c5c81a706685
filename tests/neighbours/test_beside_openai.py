"""The openai client beside other instrumentations: one GenAI span a call, and each call counted."""

import json
from pathlib import Path

import pytest
from environments import ROOT, environment
from generation import leaks, made_up_key
from processes import run_to_end

from together_otel.testing import TogetherServer

PROGRAM = Path(__file__).with_name("beside_openai.py")
ACCEPTED, REFUSED = made_up_key(), made_up_key("Q")


def run(neighbour):
    """Run the program; return what it prints."""
    with TogetherServer(keys=[ACCEPTED]) as server:
        done = run_to_end(
            [environment(".venv-neighbours"), PROGRAM, neighbour],
            env={
                "ACCEPTED": ACCEPTED,
                "REFUSED": REFUSED,
                "BASE": server.base_url.replace("127.0.0.1", "api.together.xyz"),
                "PYTHONPATH": str(ROOT),
                "NO_PROXY": "*",
            },
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for made in found:  # a constructor is no call
        made["spans"] = [one for one in made["spans"] if one["name"] != "together.client.init"]
    return found


@pytest.mark.parametrize(
    "neighbour", ["openinference", "traceloop", "genai_openai", "logfire", "openlit"]
)
def test_another_has_the_genai_span(neighbour):
    """Ours is an INTERNAL child with what only we know, and the call is counted all the same."""
    for made in run(neighbour):
        assert made["counted"] == [1, "REFUSED" in made["call"]], made
        (ours,) = [one for one in made["spans"] if one["ours"]]
        assert (ours["name"], ours["kind"]) == ("together.client.call", "INTERNAL")
        assert ours["parent"] not in (None, False, "together_otel"), made
        assert not [name for name in ours["attributes"] if name.startswith("gen_ai.")]
        refused = "REFUSED" in made["call"]
        assert ("together.auth.cause" in ours["attributes"]) == refused
        assert ours["attributes"]["together.request.outcome"] == (
            "auth_failure" if refused else "success"
        )
        assert leaks(str(ours), REFUSED) == []


def test_an_agents_span_is_a_parent_like_any_other():
    """Ours is the GenAI span of the call."""
    for made in run("agent"):
        assert made["counted"] == [1, "REFUSED" in made["call"]], made
        (ours,) = [one for one in made["spans"] if one["ours"] and one["kind"] == "CLIENT"]
        assert ours["name"] == "chat a/model"
        assert ours["attributes"]["gen_ai.operation.name"] == "chat"
        assert ours["parent"] == "an agent"


def test_logfire_suppresses_us():
    """Its default is honoured: nothing is reported or counted inside its calls."""
    for made in run("logfire_as_by_default"):
        assert made["counted"] == [0, 0]
        assert [one for one in made["spans"] if one["ours"]] == []
