"""Streams that many threads drop, while the garbage collector is at its most eager."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
from generation import GENERATION, MESSAGES, MODEL

from together_otel.calls.open_calls import end_dropped

pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x has no transport to put in")

THREADS, STREAMS = 4, 120
FRAME = (
    b'data: {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "m",'
    b' "choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'
)


@pytest.fixture
def eager_collector():
    """Make the collector run at nearly every allocation, in locked regions too."""
    usual = gc.get_threshold()
    gc.set_threshold(10, 2, 2)
    yield
    gc.set_threshold(*usual)


@pytest.mark.usefixtures("eager_collector")
def test_each_stream_ends_exactly_once_and_nothing_hangs(key, telemetry):
    """Over an in-memory transport: httpcore's own pool deadlocks on streams that are collected."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on
    import together  # noqa: PLC0415 - after the instrumentation

    def answer(_request):
        return httpx.Response(
            200,
            content=FRAME * 4 + b"data: [DONE]\n\n",
            headers={"content-type": "text/event-stream"},
        )

    client = together.Together(
        api_key=key,
        base_url="http://together.test",
        http_client=httpx.Client(transport=httpx.MockTransport(answer)),
    )

    def work(_):
        for number in range(STREAMS):
            stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
            next(iter(stream))
            if number % 3 == 0:
                list(stream)
            del stream
            if number % 40 == 0:
                telemetry.metrics()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    gc.collect()
    end_dropped()
    client.close()

    ended = {
        outcome: telemetry.counter(
            "together.client.requests", {"together.request.outcome": outcome}
        )
        for outcome in ("success", "abandoned")
    }
    assert ended == {"success": THREADS * STREAMS / 3, "abandoned": THREADS * STREAMS * 2 / 3}
    spans = [span for span in telemetry.spans() if span["kind"] == "CLIENT"]
    assert len(spans) == THREADS * STREAMS
