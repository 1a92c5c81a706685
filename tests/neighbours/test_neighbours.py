"""Calls of `together` beside other libraries that instrument: what each has is as without the other.

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
    "success": {"spans": 1, "requests": 1, "failures": 0, "events": 0},
    "refused": {"spans": 1, "requests": 1, "failures": 1, "events": 1},
    "stream": {"spans": 1, "requests": 1, "failures": 0, "events": 0},
}
PAIRS = [(name, first) for name in ("logfire", "openinference") for first in ("theirs", "ours")]
PAIRS += [(name, "theirs") for name in ("sentry", "traceloop", "entry_points")]


def run(neighbour, first):
    """Run the program; return what it prints."""
    with TogetherServer(keys=[ACCEPTED]) as server:
        python, url = environment(".venv-neighbours"), server.base_url_for("3.1.1")
        (packages,) = python.parents[1].glob("lib/python*/site-packages")
        if neighbour == "traceloop":
            python, url = environment(".venv-1.5.35"), server.base_url_for("1.5.35")
        done = run_to_end(
            [python, BESIDE, neighbour, first],
            env={
                "ACCEPTED": ACCEPTED,
                "REFUSED": REFUSED,
                "PACKAGES": str(packages),
                "PYTHONPATH": str(ROOT),
                "TOGETHER_BASE_URL": url,
                "TOGETHER_NO_BANNER": "1",
                "TOGETHER_OTEL_LOG_INTERVAL": "0",
                "NO_PROXY": "127.0.0.1",
            },
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert SIGNS[neighbour] in found["signs"]
    return found


@pytest.mark.parametrize(("neighbour", "first"), PAIRS)
def test_calls_beside_a_neighbour(neighbour, first):
    """Each has one span, one count and, if refused, one log event of ours, without the key.

    The application has what it has without us, and once we are off we record nothing.
    """
    found = run(neighbour, first)
    recorded, answers = (
        {at: {name: call[what] for name, call in found[at].items()} for at in ("beside", "alone")}
        for what in ("recorded", "answer")
    )
    kinds = ("Together", "AsyncTogether")
    assert recorded["beside"] == {f"{kind} {name}": CALLS[name] for kind in kinds for name in CALLS}
    assert not any(count for call in recorded["alone"].values() for count in call.values())
    assert answers["beside"] == answers["alone"]
    assert "together.request.outcome" in found["emitted"]
    assert leaks(found["emitted"], ACCEPTED) + leaks(found["emitted"], REFUSED) == []
