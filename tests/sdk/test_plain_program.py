"""What a program sees on its standard error that sets up nothing but the instrumentation."""

import re
import sys

import pytest
from generation import RELEASE
from processes import run_to_end

from together_otel.testing import behaviours

PROGRAM = """
import sys
import together, together_otel
{set_up}
client = together.Together(api_key={key!r}, base_url={url!r}, max_retries=0)
for _ in range(50):
    try:
        client.chat.completions.create(model="m", messages=[dict(role="user", content="Hello")])
    except Exception as exc:
        pass
"""
BY_HAND = "together_otel.instrument()"
WITH_TRACES = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
together_otel.instrument()
trace.set_tracer_provider(TracerProvider())
"""
BY_PROMETHEUS = "together_otel.instrument(metrics='prometheus')"


def said_by(set_up, server, key):
    """Return the lines that such a program writes, without their times."""
    program = PROGRAM.format(set_up=set_up, key=key, url=server.base_url_for(RELEASE))
    done = run_to_end(
        [sys.executable, "-W", "ignore", "-c", program], env={"TOGETHER_NO_BANNER": "1"}, check=True
    )
    lines = done.stderr.splitlines()
    timed = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "
    assert all(re.match(timed, line) for line in lines)
    return [re.sub(timed, "", line) for line in lines]


def test_many_failures_are_one_line_and_a_count(server, key):
    """With time and level, though nobody has configured a format."""
    server.always(behaviours.rate_limited())
    first, last = said_by(BY_PROMETHEUS, server, key)
    assert first.startswith("WARNING together_otel: gen_ai.client.inference.exception ")
    assert "status_code=429" in first
    assert re.fullmatch(
        r"WARNING together_otel: gen_ai.client.inference.exception"
        r" operation.name=chat error.type=together\.(error\.)?RateLimitError suppressed=49",
        last,
    )


def test_refusals_are_one_line_with_the_remedy_and_a_count(server, key):
    server.revoke(key)
    first, last = said_by(BY_PROMETHEUS, server, key)
    assert first.startswith("ERROR together_otel: together.client.auth_failed cause=rejected ")
    assert ' remedy="' in first
    assert last == (
        "WARNING together_otel: together.client.auth_failed cause=rejected suppressed=49"
    )


@pytest.mark.parametrize(("set_up", "warnings"), [(BY_HAND, 1), (WITH_TRACES, 0)])
def test_nothing_would_be_seen(set_up, warnings, server, key):
    """One warning, at the first call and not before, where no provider is set until then."""
    found = [line for line in said_by(set_up, server, key) if "has no tracer" in line]
    assert len(found) == warnings
    assert all(line.startswith("WARNING together_otel.instrumentor: ") for line in found)


def test_a_keyword_that_the_instrumentor_does_not_know(server, key):
    """Its warning has a time and a level, too."""
    first, *_ = said_by("together_otel.TogetherInstrumentor().instrument(metric='')", server, key)
    assert first == (
        "WARNING together_otel.instrumentor: instrument() has no keyword metric; did you mean"
        " metrics?"
    )
