"""Calls beside other libraries that instrument: what each has is as without the other.

They are in an environment of their own: two of them register the same entry point as we do, and
would be loaded into every program that ``opentelemetry-instrument`` starts in ours.
"""

import json
from pathlib import Path

import pytest
from environments import ROOT, environment
from generation import leaks, made_up_key
from processes import run_to_end

from together_otel.testing import TogetherServer

BESIDE = Path(__file__).with_name("beside.py")
ACCEPTED, REFUSED = made_up_key(), made_up_key("Q")

SIGNS = {
    "logfire": "logfire._internal.tracer",
    "sentry": "event",
    "openinference": "openinference.instrumentation.together",
    "traceloop": "opentelemetry.instrumentation.together",
    "entry_points": "openinference.instrumentation.together",
}
"""What shows that a neighbour is at work: its provider, what it sends, or its spans' scope."""

CALLS = {
    "success": {"requests": 1, "failures": 0, "events": 0},
    "refused": {"requests": 1, "failures": 1, "events": 1},
    "stream": {"requests": 1, "failures": 0, "events": 0},
}
PAIRS = [(name, first) for name in ("logfire", "openinference") for first in ("theirs", "ours")]
PAIRS += [(name, "theirs") for name in ("sentry", "traceloop", "entry_points")]


def run(library, neighbour, first="theirs"):
    """Run the program; return what it prints."""
    with TogetherServer(keys=[ACCEPTED]) as server:
        python, url = environment(".venv-neighbours"), server.base_url_for("3.1.1")
        (packages,) = python.parents[1].glob("lib/python*/site-packages")
        if library == "openai":
            url = server.base_url.replace("127.0.0.1", "api.together.xyz")
        elif neighbour == "traceloop":
            python, url = environment(".venv-1.5.35"), server.base_url_for("1.5.35")
        done = run_to_end(
            [python, BESIDE, library, neighbour, first],
            env={
                "ACCEPTED": ACCEPTED,
                "REFUSED": REFUSED,
                "BASE": url,
                "PACKAGES": str(packages),
                "PYTHONPATH": str(ROOT),
                "TOGETHER_NO_BANNER": "1",
                "TOGETHER_OTEL_LOG_INTERVAL": "0",
                "NO_PROXY": "*",
            },
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ours(made, kind=None):
    """Return the one span of ours that a call has; a constructor is no call."""
    (found,) = [
        one
        for one in made["spans"]
        if one["ours"] and kind in (None, one["kind"]) and one["name"] != "together.client.init"
    ]
    return found


@pytest.mark.parametrize(("neighbour", "first"), PAIRS)
def test_calls_of_the_sdk(neighbour, first):
    """Each has one span, one count and, if refused, one log event of ours, without the key.

    The application has what it has without us, and once we are off we record nothing.
    """
    found = run("together", neighbour, first)
    assert SIGNS[neighbour] in found["signs"]
    kinds = ("Together", "AsyncTogether")
    assert {name: made["recorded"] for name, made in found["beside"].items()} == {
        f"{kind} {name}": CALLS[name] for kind in kinds for name in CALLS
    }
    for name, made in found["beside"].items():
        alone = found["alone"][name]
        assert made["answer"] == alone["answer"]
        assert not any(alone["recorded"].values())
        assert not any(one["ours"] for one in alone["spans"])
        told = [one for one in made["spans"] if one["ours"]]
        assert sum("together.request.outcome" in one["attributes"] for one in told) == 1
        assert leaks(str(told), ACCEPTED) + leaks(str(told), REFUSED) == []


@pytest.mark.parametrize("neighbour", ["openinference", "traceloop", "genai", "logfire", "openlit"])
def test_another_has_the_genai_span_of_openais_client(neighbour):
    """Ours is an INTERNAL child with what only we know, and the call is counted all the same."""
    for name, made in run("openai", neighbour)["beside"].items():
        refused = "refused" in name
        assert made["recorded"] == CALLS[name.split()[1]], made
        span = ours(made)
        assert (span["name"], span["kind"]) == ("together.client.call", "INTERNAL")
        assert span["parent"] not in (None, "together_otel"), made
        assert not [name for name in span["attributes"] if name.startswith("gen_ai.")]
        assert ("together.auth.cause" in span["attributes"]) == refused
        outcome = "auth_failure" if refused else "success"
        assert span["attributes"]["together.request.outcome"] == outcome
        assert leaks(str(span), REFUSED) == []


def test_an_agents_span_is_a_parent_like_any_other():
    """Ours is the GenAI span of the call."""
    for name, made in run("openai", "agent")["beside"].items():
        assert made["recorded"] == CALLS[name.split()[1]], made
        span = ours(made, "CLIENT")
        assert span["name"] == "chat a/model"
        assert span["attributes"]["gen_ai.operation.name"] == "chat"
        assert span["parent"] == "an agent"


def test_logfire_suppresses_us():
    """Its default is honoured: nothing is reported or counted inside its calls."""
    for made in run("openai", "logfire_as_by_default")["beside"].values():
        assert (made["recorded"]["requests"], made["recorded"]["failures"]) == (0, 0)
        told = [one["name"] for one in made["spans"] if one["ours"]]
        assert set(told) <= {"together.client.init"}
