"""A stream that is broken off, by the server, the network, a limit or a signal, is told once."""

import asyncio
import contextlib
import contextvars
import signal
import sys
import threading

import pytest
from generation import GENERATION, MESSAGES, MODEL, RELEASE, Sdk
from steps import (
    LEAKS,
    chat,
    each,
    forget,
    nothing_else_is_said,  # noqa: F401 - a fixture of all tests here
    only_call,
    step,
    tell,
)

from together_otel.testing import behaviours

pytestmark = LEAKS

OVERLOADED = "The model is overloaded"
EXCEPTION = "gen_ai.client.inference.exception"


@pytest.fixture
def client(key, server):
    """Makes async clients in a loop of the test's own, which is to close them."""
    import together  # noqa: PLC0415 - after the instrumentation

    yield lambda: together.AsyncTogether(
        api_key=key, base_url=server.base_url_for(RELEASE), max_retries=0
    )
    server.release()


async def closed(made):
    """Close a client, where it can be."""
    if GENERATION > 1:
        await made.close()


def events(telemetry):
    """Return the names of the events that tell of failures."""
    names = [log["event_name"] for log in telemetry.logs()]
    return [name for name in names if not name.endswith("key_checked")]


# ── by the server or the network ─────────────────────────────────────────────────────


def test_refused_at_the_start(sdk, key, server, telemetry):
    """A stream whose key is refused never begins: it fails like any call."""
    server.revoke(key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=key), stream=True)

    assert only_call(telemetry)["together.auth.cause"] == "rejected"


@pytest.mark.parametrize("after", [0, 2])
def test_cut_off(after, sdk, key, server, telemetry):
    """A connection that breaks in the middle is a connection error, after any number of chunks."""
    server.always(behaviours.cut_stream(after))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by generation
        sdk.read(stream)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "connection_error"
    assert attributes["error.type"].rpartition(".")[2] == type(caught.value).__name__
    assert attributes["http.response.status_code"] == 200
    if GENERATION > 1 or not sdk.is_async:  # aiohttp may give away nothing of what was cut
        some = ["error"] if after else None
        assert attributes.get("gen_ai.response.finish_reasons") == some
    assert events(telemetry) == [EXCEPTION]


@pytest.mark.parametrize(
    ("after", "error", "outcome", "event"),
    [
        (2, (), "auth_failure", "together.client.auth_failed"),
        (2, (None, OVERLOADED), "server_error", EXCEPTION),
        (0, (None, OVERLOADED), "server_error", EXCEPTION),
    ],
    ids=["of the key", "of the model", "at once"],
)
def test_error_frame(after, error, outcome, event, sdk, key, server, telemetry):
    """An error in place of a chunk ends the call as that, in 1.x though no exception is raised.

    It belongs to the answer of the stream, with its status and request id.
    """
    server.always(behaviours.error_frame(after, *error))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    # 1.x hands the frame on as data, which its own models may then not take.
    raises = contextlib.suppress if GENERATION == 1 else pytest.raises
    with raises(Exception):
        sdk.read(stream)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert attributes["http.response.status_code"] == 200
    assert attributes["together.request.id"] == "req-1"
    assert attributes["error.type"] == ("together.APIError" if GENERATION > 1 else outcome)
    some = ["error"] if after else None
    assert attributes.get("gen_ai.response.finish_reasons") == some
    assert telemetry.counter("together.client.auth.failures") == (outcome == "auth_failure")
    assert events(telemetry) == list(dict.fromkeys([event, EXCEPTION]))


@pytest.mark.parametrize("after", [0, 1], ids=["before the first chunk", "between two"])
def test_timed_out(after, sdk, key, server, telemetry):
    """The client's own limit is reached."""
    server.always(behaviours.slow(60, after=after))
    client = sdk.client(api_key=key, timeout=0.1)

    async def story():
        async for _ in each(await chat(client, stream=True)):
            pass

    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by generation
        tell(sdk, story)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "timeout"
    assert attributes["error.type"].rpartition(".")[2] == type(caught.value).__name__


# ── by the reader's own task or process ──────────────────────────────────────────────


@pytest.mark.parametrize("chunks", [0, 1])
async def test_cancelled(chunks, client, server, telemetry):
    """Cancelling the task that waits for an answer, or for a chunk, ends the call as cancelled."""
    server.always(behaviours.slow(60, after=chunks))
    made = client()
    got_one = asyncio.Event()

    async def reading():
        async for _ in await chat(made, stream=True):
            got_one.set()

    task = asyncio.create_task(reading())
    await (got_one.wait() if chunks else asyncio.to_thread(server.wait_for, 1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closed(made)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "cancelled"
    assert attributes["error.type"] == "asyncio.exceptions.CancelledError"
    assert events(telemetry) == []


async def test_cancelled_between_chunks(client, telemetry):
    """A reader that is cancelled at work of his own has left the stream."""
    made = client()
    at_work = asyncio.Event()

    async def reading():
        async for _ in await chat(made, stream=True):
            at_work.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(reading())
    await at_work.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    await forget()
    await closed(made)

    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


async def test_waited_for_no_longer(client, server, telemetry):
    """`asyncio.wait_for` cancels the reading of a chunk; its TimeoutError is the caller's own."""
    server.always(behaviours.slow(60, after=1))
    made = client()
    stream = await chat(made, stream=True)
    await step(stream)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(step(stream), 0.05)
    await closed(made)

    assert only_call(telemetry)["together.request.outcome"] == "cancelled"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_closed_in_another_context(stream, client, server, telemetry):
    """A call that is closed from elsewhere while it waits ends, without a word of OpenTelemetry's."""
    server.always(behaviours.slow(60))
    made = client()
    waiting = made.chat.completions.create(model=MODEL, messages=MESSAGES, stream=stream)
    contextvars.copy_context().run(waiting.send, None)
    with contextlib.suppress(RuntimeError):
        waiting.close()
    server.release()
    await closed(made)

    assert only_call(telemetry)["together.request.outcome"] == "cancelled"


@pytest.fixture
def interrupt(server):
    """Sends Ctrl-C to this thread as soon as it waits for the network."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    here = threading.get_ident()
    threads = []

    def wait_and_send():
        server.wait_for(1)
        while sys._current_frames()[here].f_code.co_name not in {"read", "readinto", "select"}:
            threading.Event().wait(0.001)
        signal.pthread_kill(here, signal.SIGINT)

    def start():
        threads.append(threading.Thread(target=wait_and_send))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("chunks", [0, 1])
def test_interrupted(chunks, interrupt, key, server, telemetry):
    """Ctrl-C while the SDK waits for an answer, or for a chunk."""
    server.always(behaviours.slow(60, after=chunks))
    sdk = Sdk(server, is_async=False)
    made = sdk.client(api_key=key)
    stream = sdk.chat(made, stream=True) if chunks else None
    if stream is not None:
        next(stream)
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        sdk.chat(made, stream=True) if stream is None else next(stream)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "cancelled"
    assert attributes["error.type"] == "KeyboardInterrupt"
    assert events(telemetry) == []
    server.release()
    sdk.close()


@pytest.mark.parametrize("chunks", [0, 1])
def test_interrupted_loop(chunks, interrupt, client, server, telemetry):
    """Ctrl-C in `asyncio.run`, which cancels the task that reads."""
    server.always(behaviours.slow(60, after=chunks))

    async def main():
        made = client()
        try:
            if not chunks:
                interrupt()
            stream = await chat(made, stream=True)
            await step(stream)
            interrupt()
            await step(stream)
        finally:
            await closed(made)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())

    assert only_call(telemetry)["together.request.outcome"] == "cancelled"
    assert events(telemetry) == []
