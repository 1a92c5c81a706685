"""A list that comes page by page: each page is a call, made when it is needed."""

import pytest
from measured import measured
from steps import each, got, tell

from together_otel.testing import behaviours

pytest.importorskip("together.pagination", reason="pages came with 2.42")

PAGES = 3


def page(number):
    """Answer with a page of two projects, of which the last has no next."""
    data = [{"id": f"project-{number}-{place}"} for place in range(2)]
    cursor = f"page-{number + 1}" if number < PAGES else None
    return behaviours.custom(200, {"data": data, "next_cursor": cursor})


@pytest.fixture
def pages(server):
    """A server with three pages."""
    server.script(*map(page, range(1, PAGES + 1)))


def calls(telemetry):
    """Return name and outcome of each call, after making sure that metrics agree."""
    spans = [span for span in telemetry.spans() if span["kind"] == "CLIENT"]
    found = [(span["name"], span["attributes"]["together.request.outcome"]) for span in spans]
    assert telemetry.counter("together.client.requests") == len(found)
    assert measured(telemetry) == len(found)
    return found


@pytest.mark.usefixtures("pages")
def test_a_page_a_span(sdk, key, server, telemetry):
    """Going through all items asks for all pages, each under the span that is current then."""
    tracer = telemetry.tracer_provider.get_tracer("application")
    client = sdk.client(api_key=key)

    async def story():
        with tracer.start_as_current_span("listing"):
            items = each(client.projects.list())
            return [(project.id, len(server.requests)) async for project in items]

    assert tell(sdk, story) == [
        (f"project-{n}-{place}", n) for n in (1, 2, 3) for place in range(2)
    ]
    assert calls(telemetry) == [("projects.list", "success")] * PAGES
    asked = [span for span in telemetry.finished_spans() if span.name == "projects.list"]
    (listing,) = [span for span in telemetry.finished_spans() if span.name == "listing"]
    assert {span.parent.span_id for span in asked if span.parent} == {listing.context.span_id}
    ids = [(span.attributes or {})["together.request.id"] for span in asked]
    assert ids == ["req-1", "req-2", "req-3"]


@pytest.mark.usefixtures("pages")
def test_asked_for_when_needed(sdk, key, server, telemetry):
    """An async list is not asked for before it is awaited; a next page not before it is wanted."""
    client = sdk.client(api_key=key)

    async def story():
        listing = client.projects.list()
        assert len(server.requests) == (0 if sdk.is_async else 1)
        first = await got(listing)
        assert len(calls(telemetry)) == len(server.requests) == 1
        assert first.has_next_page()
        second = await got(first.get_next_page())
        assert [project.id for project in second.data] == ["project-2-0", "project-2-1"]

    tell(sdk, story)
    assert calls(telemetry) == [("projects.list", "success")] * 2


def test_never_awaited(sdk, key, server, telemetry):
    """An async list that nobody waits for is no call, and nothing to be warned of."""
    if not sdk.is_async:
        pytest.skip("a sync list is asked for at once")
    from together._base_client import AsyncPaginator  # noqa: PLC0415 - after the instrumentation

    client = sdk.client(api_key=key)

    async def story():
        assert type(client.projects.list()) is AsyncPaginator

    tell(sdk, story)
    assert server.requests == []
    assert calls(telemetry) == []


@pytest.mark.usefixtures("pages")
def test_left_on_the_first_page(sdk, key, server, telemetry):
    """A page that was not asked for is not told of."""
    client = sdk.client(api_key=key)

    async def story():
        async for _ in each(client.projects.list()):
            break

    tell(sdk, story)
    assert len(server.requests) == 1
    assert calls(telemetry) == [("projects.list", "success")]


@pytest.mark.usefixtures("pages")
def test_page_by_page(sdk, key, telemetry):
    client = sdk.client(api_key=key)

    async def story():
        first = await got(client.projects.list())
        return [len(one.data) async for one in each(first.iter_pages())]

    assert tell(sdk, story) == [2] * PAGES
    assert calls(telemetry) == [("projects.list", "success")] * PAGES


@pytest.mark.parametrize(
    ("then", "outcome", "failures"),
    [(behaviours.rate_limited(), "rate_limited", 0), (behaviours.refuse(), "auth_failure", 1)],
    ids=["rate limited", "revoked"],
)
def test_a_later_page_fails(then, outcome, failures, sdk, key, server, telemetry):
    """The pages before were a success, and the exception is raised amid the list."""
    server.script(page(1), then)
    client = sdk.client(api_key=key)

    async def story():
        items = each(client.projects.list())
        assert [(await anext(items)).id for _ in range(2)] == ["project-1-0", "project-1-1"]
        with pytest.raises(Exception, match=r"Error code: 4\d\d"):
            await anext(items)

    tell(sdk, story)
    assert calls(telemetry) == [("projects.list", "success"), ("projects.list", outcome)]
    counted = {"together.auth.cause": "revoked"}
    assert telemetry.counter("together.client.auth.failures", counted) == failures
    assert telemetry.counter("together.client.auth.failures") == failures


@pytest.mark.usefixtures("pages")
def test_raw_page(sdk, key, telemetry):
    """The page in a raw response knows its next as well."""
    client = sdk.client(api_key=key)

    async def story():
        raw = await got(client.projects.with_raw_response.list())
        first = await got(raw.parse())
        await got(first.get_next_page())

    tell(sdk, story)
    assert calls(telemetry) == [("projects.list", "success")] * 2
