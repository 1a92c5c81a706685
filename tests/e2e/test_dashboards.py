"""Every query of every dashboard against a real Prometheus that scrapes the instrumentation."""

import contextlib
import re
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest
import together
from processes import PATIENCE
from prometheus_binaries import require
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from queries import FOLDER, Query, dashboards, every_query, panels

from together_otel import TogetherInstrumentor
from together_otel.names import REQUEST_MODEL, REQUEST_OUTCOME, REQUESTS, label_of
from together_otel.testing import TogetherServer, behaviours
from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.stack import Stack

sys.path.insert(0, str(FOLDER.parent))

from rules import outputs, records

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
MESSAGES = [{"role": "user", "content": "Hello"}]
JOB = "shop"

WELL = {
    "Where?",
    "Why?",
    "Since when?",
    "Which key?",
    "What to do now",
    "Last failure by instance and cause",
}
"""Panels that say in their own words that nothing fails."""

Found = dict[Query, list[dict[str, Any]]]


@dataclass(frozen=True)
class Story:
    """What each query found: before anything failed, after, and of a job that does not exist."""

    healthy: Found
    failing: Found
    nobody: Found


@contextlib.contextmanager
def instrumented():
    """Turn the instrumentation on and serve its metrics; give the address."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOGETHER_OTEL_METRICS", "prometheus")
        TogetherInstrumentor().instrument(registry=registry)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        TogetherInstrumentor().uninstrument()


def ask(client):
    """Have a question answered, and one by a stream, and a text embedded."""
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    for _ in client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True):
        pass
    client.embeddings.create(model="intfloat/multilingual-e5-large-instruct", input="Hello")


def stumble(client, server):
    """Be answered at the second attempt, and not at all for asking too much."""
    server.script(behaviours.server_error(), behaviours.usual())
    client.with_options(max_retries=1).chat.completions.create(model=MODEL, messages=MESSAGES)
    server.script(behaviours.rate_limited())
    with pytest.raises(together.RateLimitError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


def counted(stack, outcome, at_least):
    """Wait until Prometheus has scraped so many requests of an outcome."""
    selector = f'{REQUESTS.prometheus}{{job="{JOB}",{label_of(REQUEST_OUTCOME)}="{outcome}"}}'
    stack.wait_for(f"sum({selector}) >= {at_least}", timeout=PATIENCE)


def results(stack, queries, deadline, empty):
    """Return what queries find, each as soon as it finds something; some need not."""
    found = {}
    for query in queries:
        patience = 0 if query.panel in empty else max(0.0, deadline - time.monotonic())
        try:
            found[query] = stack.wait_for(query.expr, timeout=patience)
        except TimeoutError:
            found[query] = []
    return found


PRICES = f"""\
groups:
- name: together_prices
  rules:
  - record: {records.PRICES}
    expr: vector(0.5 / 1e6)
    labels: {{{label_of(REQUEST_MODEL)}: {MODEL}, kind: input}}
"""


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Ask, stumble, and ask on with a key that was revoked, while the rules record it."""
    require("prometheus")
    require("alertmanager")
    rules = []
    for name, text in {**outputs(), "prices.yaml": PRICES}.items():
        path = tmp_path_factory.mktemp("rules") / name
        path.write_text(re.sub(r"(?m)^  interval: .*\n", "", text))
        rules.append(path)
    key = MadeUpKeys().together()
    with TogetherServer(keys=[key]) as server, instrumented() as address:
        client = together.Together(api_key=key, base_url=server.url, max_retries=0)
        with Stack([(JOB, address)], rules) as stack:
            asked = every_query(instance=address)
            # Twice: of a series that is born with its first event, a rate sees the second.
            for round_ in (1, 2):
                ask(client)
                stumble(client, server)
                counted(stack, "rate_limited", round_)
            healthy = results(stack, asked, time.monotonic() + PATIENCE / 2, WELL)
            server.revoke(key)
            for _ in range(2):
                with pytest.raises(together.AuthenticationError):
                    client.chat.completions.create(model=MODEL, messages=MESSAGES)
            counted(stack, "auth_failure", 2)
            stack.wait_for(records.FAILING, timeout=PATIENCE)
            failing = results(stack, asked, time.monotonic() + PATIENCE / 2, set())
            nobody = results(stack, every_query(job="nobody"), 0.0, set())
            yield Story(healthy, failing, nobody)
        client.close()


def test_no_query_comes_back_empty(story):
    """No panel asks for what the instrumentation does not emit."""
    assert [query for query, found in story.failing.items() if not found] == []


def test_when_all_is_well_there_are_zeros(story):
    """Only those panels are empty that say in their own words that nothing fails."""
    assert {query.panel for query, found in story.healthy.items() if not found} == WELL
    told = {
        panel["title"]: str(panel["fieldConfig"]["defaults"])
        for dashboard in dashboards()
        for panel in panels(dashboard)
        if panel["title"] in WELL
    }
    assert told.keys() == WELL
    assert all("null" in text or "noValue" in text for text in told.values())


def test_what_nobody_reports_is_not_shown_as_zero(story):
    """A green zero of a job that does not exist would be a lie."""
    assert [query for query, found in story.nobody.items() if found] == []


@pytest.mark.parametrize(
    ("panel", "expected"),
    [
        ("Is it failing?", {"value": "1"}),
        ("Where?", {"job": JOB}),
        ("Why?", {"together_auth_cause": "revoked"}),
        ("What to do now", {"job": JOB, "together_auth_cause": "revoked", "remedy": "revoked"}),
    ],
)
def test_the_top_row_answers(story, panel, expected):
    """That it fails, where, and why; each query's first answer is the one that is shown."""
    found = next(
        rows for query, rows in story.failing.items() if (query.panel, query.ref) == (panel, "A")
    )
    assert {**found[0]["metric"], "value": found[0]["value"][1]}.items() >= expected.items()


def test_since_when_is_when_it_began(story):
    """The moment of the first failure, within the steps of scrape and query."""
    (found,) = (rows for query, rows in story.failing.items() if query.panel == "Since when?")
    began, asked = float(found[0]["value"][1]) / 1000, found[0]["value"][0]
    assert asked - PATIENCE <= began <= asked
