"""The SDK's async client on aiohttp instead of httpx's own transport."""

import asyncio

import pytest
from generation import GENERATION, Sdk, leaks
from measured import FIRST_CHUNK
from reported import failures
from steps import only_call, unended

from together_otel.testing import behaviours

pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x has no HTTP client to choose")
if GENERATION > 1:
    pytest.importorskip("httpx_aiohttp")


@pytest.fixture
def aio(server):
    """The async client, whose HTTP client each test makes."""
    made = Sdk(server, is_async=True)
    yield made
    made.close()


def client(aio, key, **options):
    """Make a client on aiohttp."""
    import together  # noqa: PLC0415 - after the instrumentation

    return aio.client(api_key=key, http_client=together.DefaultAioHttpClient(), **options)


def test_call(aio, key, telemetry):
    """A call is told with its answer."""
    answer = aio.chat(client(aio, key))

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert attributes["http.response.status_code"] == 200
    assert attributes["gen_ai.usage.output_tokens"] == answer.usage.completion_tokens
    assert attributes["together.request.id"]


def test_stream(aio, key, telemetry):
    """A stream lasts until it has been read."""
    stream = aio.chat(client(aio, key), stream=True)
    assert unended(telemetry)
    assert len(aio.read(stream)) > 2

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert telemetry.counter(FIRST_CHUNK) == 1


def test_stream_left_early(aio, key, telemetry):
    """A stream that is closed early was abandoned."""
    stream = aio.chat(client(aio, key), stream=True)
    aio.read(stream, chunks=1)
    aio.run(stream.close)

    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


def test_refused(aio, key, server, telemetry):
    """A key that the server does not take is rejected."""
    server.revoke(key)
    with pytest.raises(Exception, match="Invalid API key"):
        aio.chat(client(aio, key))

    attributes = only_call(telemetry)
    assert failures(telemetry) == {attributes["together.auth.cause"]: 1} == {"rejected": 1}
    assert attributes["http.response.status_code"] == 401
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.parametrize("odd", ["\n", "\r\n", "\x00", "\u00e9"], ids=ascii)
def test_key_that_cannot_be_sent(odd, aio, key, server, telemetry):
    """Whatever aiohttp says of a key that fits in no header, it is the key that is malformed."""
    unsendable = key[:20] + odd + key[20:]
    server.always(behaviours.refuse())
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by version
        aio.chat(client(aio, unsendable))

    attributes = only_call(telemetry)
    assert failures(telemetry) == {attributes["together.auth.cause"]: 1} == {"malformed": 1}
    assert attributes["together.request.outcome"] == "auth_failure"
    assert attributes["error.type"].rpartition(".")[2] == type(caught.value).__name__
    assert leaks(telemetry.everything(), unsendable) == []
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.parametrize(
    ("behaviour", "options", "outcome"),
    [
        (behaviours.drop_connection(), {}, "connection_error"),
        (behaviours.cut_stream(2), {}, "connection_error"),
        (behaviours.slow(60), {"timeout": 0.05}, "timeout"),
    ],
    ids=["dropped", "cut off", "too slow"],
)
def test_failure(behaviour, options, outcome, aio, key, server, telemetry):
    """A connection that is closed is no timeout, though httpx-aiohttp may call it one."""
    server.always(behaviour)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by version
        aio.read(aio.chat(client(aio, key, **options), stream=True))
    server.release()

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert attributes["error.type"].rpartition(".")[2] == type(caught.value).__name__
    assert telemetry.counter("together.client.auth.failures") == 0
    (event,) = [log for log in telemetry.logs() if log["severity"].startswith("WARN")]
    assert event["event_name"] == "gen_ai.client.inference.exception"


def test_cancelled(aio, key, server, telemetry):
    """Cancelling the task that waits for aiohttp ends the call as cancelled."""
    server.always(behaviours.slow(60))
    made = client(aio, key)

    async def story():
        task = asyncio.create_task(
            made.chat.completions.create(
                model="a/model", messages=[{"role": "user", "content": "Hello"}]
            )
        )
        await asyncio.to_thread(server.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    aio.run(story)
    server.release()

    assert only_call(telemetry)["together.request.outcome"] == "cancelled"
