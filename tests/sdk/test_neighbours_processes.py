"""Worlds that need a process of their own: greenlets, forks, providers that come late."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from generation import RELEASE
from processes import PATIENCE

from together_otel.names import CAUSES
from together_otel.testing import behaviours

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(server, key):
    """Start one of the programs against the server."""
    programs = []

    def started(program, *arguments):
        running = subprocess.Popen(
            [sys.executable, str(PROGRAMS / program), *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TOGETHER_API_KEY": key,
                "TOGETHER_BASE_URL": server.base_url_for(RELEASE),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        programs.append(running)
        return running

    yield started
    for running in programs:
        running.kill()
        running.communicate()


def result(program, *, complains=""):
    """Return what a program printed, once it has ended well; it complains of one thing at most."""
    out, err = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, err
    assert complains in err
    assert err.count("\n") == bool(complains)
    return json.loads(out)


def test_greenlets(server, start):
    """Of twenty calls in flight at once, each has the span of its own greenlet as parent."""
    pytest.importorskip("gevent")
    server.always(behaviours.slow(60))
    program = start("gevent_calls.py", "20")
    server.wait_for(20, timeout=PATIENCE)
    server.release()
    found = result(program)

    assert sorted(found["calls"]) == sorted([[f"caller {n}"] * 2 for n in range(1, 21)])
    assert found["outcomes"] == {"success": 20}
    assert found["kept"]


@pytest.mark.parametrize("kind", ["SpanOnly", "Adding"])
def test_a_runtime_context_that_keeps_no_context_as_it_is(kind, start):
    """The caller's span is current after a call and while a stream is open; nested calls count once.

    ddtrace's is such a one, if DD_TRACE_OTEL_ENABLED is set.
    """
    for found in result(start("translated_context.py", kind)).values():
        assert all(found["kept"])
        assert found["in house"] == 1


def test_providers_set_later(start):
    """Global providers get what comes after them, and all counts, also once turned on again."""
    found = result(start("late_providers.py"), complains="OpenTelemetry has no tracer")

    assert found["spans"] == [["CLIENT", "chat a/model"]] * 3
    assert found["requests"] == 4
    assert {point["attributes"]["together.auth.cause"] for point in found["failures"]} == set(
        CAUSES
    )
    assert found["durations"] == 4
    assert found["first_chunks"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("inherited", ["keep", "drop"])
def test_forked(inherited, server, key, start):
    """A child counts from zero, tells its own calls alone, and knows the key from before.

    A stream that is open during the fork stays the parent's call, whatever the child does with
    its copy.
    """
    server.revoke_after(key, 4)
    found = result(start("forked.py", inherited))
    child, parent = found["child"], found["parent"]

    zero = dict.fromkeys(CAUSES, 0)
    assert child["at_first"] == {"calls": [], "outcomes": {}, "failures": zero, "events": []}
    told = child["at_last"]
    assert [outcome for _, outcome in told["calls"]] == ["success", "success", "auth_failure"]
    assert told["outcomes"] == {"success": 2, "auth_failure": 1}
    assert told["failures"] == zero | {"revoked": 1}
    assert told["events"] == ["together.client.auth_failed", "gen_ai.client.inference.exception"]

    assert [outcome for _, outcome in parent["calls"]] == ["success", "success"]
    assert parent["outcomes"] == {"success": 2}
    assert parent["failures"] == zero
    assert {span for span, _ in told["calls"]}.isdisjoint(span for span, _ in parent["calls"])
