"""Threads, tasks and loops: each call under its own caller's span, each counted once."""

import asyncio
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from concurrency import async_client, close, sync_client
from generation import GENERATION, MESSAGES, MODEL, RELEASE, close_session
from measured import FIRST_CHUNK, measured
from opentelemetry import context, trace
from processes import PATIENCE

THREADS, CALLS = 8, 10
STREAMS = len(range(0, THREADS * CALLS, 3))


@pytest.fixture
def options(key, server):
    """What every client is made with."""
    return {"api_key": key, "base_url": server.base_url_for(RELEASE), "max_retries": 0}


def pairs(telemetry):
    """Return for each call the name of its parent, and the name that it should be."""
    spans = telemetry.finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    return [
        (
            names.get(span.parent.span_id) if span.parent else None,
            f"caller {(span.attributes or {}).get('gen_ai.request.max_tokens')}",
        )
        for span in spans
        if span.name.startswith("chat")
    ]


def successes(telemetry):
    """Return how many calls were counted, after checking that all measures agree on success."""
    found = int(telemetry.counter("together.client.requests"))
    assert measured(telemetry) == found
    succeeded = telemetry.counter(
        "together.client.requests", {"together.request.outcome": "success"}
    )
    assert succeeded == found
    spans = [span for span in telemetry.spans() if span["kind"] == "CLIENT"]
    assert [span["attributes"]["together.request.outcome"] for span in spans] == ["success"] * found
    return found


def complaints(caplog):
    """Return what anyone logged as a warning or worse."""
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize("clients", ["one client", "a client each"])
def test_threads(clients, options, telemetry, tracer, caplog):
    """Calls and streams of eight threads at once keep to their threads."""
    start = threading.Barrier(THREADS)

    def call(client, number):
        with tracer.start_as_current_span(f"caller {number}") as caller:
            answer = client.chat.completions.create(
                model=MODEL, messages=MESSAGES, max_tokens=number, stream=number % 3 == 0
            )
            assert trace.get_current_span() is caller
            if number % 3 == 0:
                for _ in answer:
                    assert trace.get_current_span() is caller

    def work(client, thread):
        before = context.get_current()
        start.wait(timeout=PATIENCE)
        for number in range(thread * CALLS, (thread + 1) * CALLS):
            call(client, number)
        close_session()
        assert context.get_current() == before == {}

    def work_alone(thread):
        with sync_client(options) as client:
            work(client, thread)

    with ThreadPoolExecutor(THREADS) as pool, sync_client(options) as shared:
        works = [
            pool.submit(work, shared, thread)
            if clients == "one client"
            else pool.submit(work_alone, thread)
            for thread in range(THREADS)
        ]
        for one in works:
            one.result(timeout=PATIENCE)

    assert successes(telemetry) == THREADS * CALLS
    assert sorted(pairs(telemetry)) == sorted(
        (f"caller {number}",) * 2 for number in range(THREADS * CALLS)
    )
    assert telemetry.counter(FIRST_CHUNK) == STREAMS
    assert telemetry.counter("together.client.key.checks") == 1 + (
        THREADS if clients == "a client each" else 0
    )
    assert complaints(caplog) == []


@pytest.mark.parametrize("first_chunk", ["here", "there"])
def test_stream_read_in_another_thread(first_chunk, options, telemetry, tracer, caplog):
    """A stream belongs to the span under which it was made, whoever reads it."""

    def reading(stream):
        with tracer.start_as_current_span("reader") as reader:
            read = sum(trace.get_current_span() is reader for _ in stream)
            assert trace.get_current_span() is reader
        return read

    with sync_client(options) as client:
        with tracer.start_as_current_span("caller 5"):
            stream = client.chat.completions.create(
                model=MODEL, messages=MESSAGES, max_tokens=5, stream=True
            )
            if first_chunk == "here":
                next(stream)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(reading, stream).result(timeout=PATIENCE) > 2
    close_session()

    assert successes(telemetry) == 1
    assert pairs(telemetry) == [("caller 5", "caller 5")]
    assert complaints(caplog) == []


@pytest.mark.parametrize("first_chunk", ["here", "there"])
async def test_stream_read_in_another_task(first_chunk, options, telemetry, tracer, caplog):
    """The same for tasks, of which the one that made the stream has ended."""
    client = async_client(options)

    async def making():
        with tracer.start_as_current_span("caller 5"):
            stream = await client.chat.completions.create(
                model=MODEL, messages=MESSAGES, max_tokens=5, stream=True
            )
            if first_chunk == "here":
                await anext(stream)
            return stream

    async def reading(stream):
        with tracer.start_as_current_span("reader") as reader:
            kept = [trace.get_current_span() is reader async for _ in stream]
            assert all(kept)
            return len(kept)

    stream = await asyncio.create_task(making())
    assert await asyncio.create_task(reading(stream)) > 2
    await close(client)

    assert successes(telemetry) == 1
    assert pairs(telemetry) == [("caller 5", "caller 5")]
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert complaints(caplog) == []


async def test_tasks(options, telemetry, tracer, caplog):
    """Calls and streams of many tasks of one loop keep to their tasks."""
    client = async_client(options)
    count = 30

    async def call(number):
        with tracer.start_as_current_span(f"caller {number}") as caller:
            answer = await client.chat.completions.create(
                model=MODEL, messages=MESSAGES, max_tokens=number, stream=number % 3 == 0
            )
            assert trace.get_current_span() is caller
            if number % 3 == 0:
                async for _ in answer:
                    assert trace.get_current_span() is caller

    await asyncio.gather(*map(call, range(count)))
    await close(client)

    assert successes(telemetry) == count
    assert sorted(pairs(telemetry)) == sorted((f"caller {number}",) * 2 for number in range(count))
    assert complaints(caplog) == []


@pytest.mark.parametrize("clients", ["one client", "a client each"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_two_loops(clients, stream, options, telemetry, caplog):
    """`asyncio.run` twice: a script's way, whose first loop is closed when the second calls."""
    more = {}
    if clients == "one client" and GENERATION > 1:
        import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

        # A connection kept alive would belong to the first loop, with us or without.
        more["http_client"] = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))
    shared = async_client({**options, **more}) if clients == "one client" else None

    async def main(*, last):
        client = shared or async_client(options)
        answer = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=stream)
        if stream:
            assert len([one async for one in answer]) > 2
        if last or shared is None:
            await close(client)

    asyncio.run(main(last=False))
    asyncio.run(main(last=True))
    gc.collect()

    assert successes(telemetry) == 2
    assert complaints(caplog) == []
