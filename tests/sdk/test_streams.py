"""A stream's span and metrics end exactly once, however the stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from typing import TYPE_CHECKING, Any

import pytest
from generation import GENERATION, MESSAGES, MODEL, RELEASE, Sdk

from together_otel.streams import settle
from together_otel.testing import behaviours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.testing.server import TogetherServer
    from together_otel.testing.telemetry import CapturedTelemetry

STAINLESS = pytest.mark.skipif(GENERATION < 2, reason="1.x streams are plain generators")

# 1.x leaves its HTTP session open when a stream is dropped or cancelled, with us or without.
pytestmark = pytest.mark.filterwarnings(
    *(("ignore::pytest.PytestUnraisableExceptionWarning",) if GENERATION < 2 else ("error",))
)


@pytest.fixture(autouse=True)
def _collect_what_the_sdk_leaves() -> Iterator[None]:
    """Let what leaks be warned of in the test that leaked it."""
    yield
    gc.collect()


def only_call(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one CLIENT span, after making sure that metrics agree there was one call."""
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert telemetry.counter("together.client.requests") == 1
    outcome = span["attributes"]["together.request.outcome"]
    assert telemetry.counter("together.client.requests", {"together.request.outcome": outcome}) == 1
    (duration,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert duration["count"] == 1
    attributes: dict[str, Any] = span["attributes"]
    return attributes


def test_exhausted(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """A stream read to its end is a success with its model, tokens and finish reason."""
    chunks = sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))

    attributes = only_call(telemetry)
    assert len(chunks) > 2
    assert attributes["together.request.outcome"] == "success"
    assert attributes["gen_ai.response.model"] == MODEL
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert attributes["gen_ai.usage.output_tokens"] > 0
    for name in ("time_to_first_chunk", "time_per_output_chunk"):
        (point,) = telemetry.metrics()[f"gen_ai.client.operation.{name}"]
        assert point["count"] == 1


def test_left_early_and_collected(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """A `break` alone ends nothing, as reading may go on; the collection of the stream does."""
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    sdk.read(stream, chunks=2)
    assert [span for span in telemetry.spans() if span["kind"] == "CLIENT"] == []

    del stream
    sdk.run(_collect if not sdk.is_async else _collect_async)

    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


def test_never_read(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """A stream that nobody iterates ends with its collection."""
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    if GENERATION > 1:
        sdk.run(stream.close)
    del stream
    sdk.run(_collect if not sdk.is_async else _collect_async)

    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


@STAINLESS
def test_closed(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:
    """`close()` ends the call at once, a second `close()` and the collection change nothing."""
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    sdk.read(stream, chunks=1)
    sdk.run(stream.close)

    assert only_call(telemetry)["together.request.outcome"] == "abandoned"
    sdk.run(stream.close)
    del stream
    gc.collect()
    only_call(telemetry)


@STAINLESS
@pytest.mark.parametrize("raises", [False, True])
def test_left_with(raises: bool, sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:  # noqa: FBT001 - a parametrised case
    """Leaving `with` ends the call, and an exception of the caller's goes on untouched."""
    mine = LookupError("the caller's own")

    def leave() -> None:
        with sdk.chat(sdk.client(api_key=key), stream=True) as stream:
            next(iter(stream))
            if raises:
                raise mine

    async def leave_async() -> None:
        client = sdk.client(api_key=key)
        made = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        async with made as stream:
            await anext(aiter(stream))
            if raises:
                raise mine

    expected = pytest.raises(LookupError) if raises else contextlib.nullcontext()
    with expected as caught:
        sdk.run(leave_async if sdk.is_async else leave)

    assert caught is None or caught.value is mine
    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


def test_cut_off(sdk: Sdk, key: str, server: TogetherServer, telemetry: CapturedTelemetry) -> None:
    """A connection that breaks in the middle is a connection error, or 1.x's silent end."""
    server.always(behaviours.cut_stream(2))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by generation
        sdk.read(stream)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "connection_error"
    assert attributes["error.type"].rpartition(".")[2] == type(caught.value).__name__


def test_error_frame_that_refuses_the_key(
    sdk: Sdk, key: str, server: TogetherServer, telemetry: CapturedTelemetry
) -> None:
    """An error frame with `invalid_api_key` is an authentication failure, in 1.x without one raised."""
    server.always(behaviours.error_frame(2))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    # 1.x hands the frame on as data, which its own models may then not take.
    with contextlib.suppress(Exception):
        sdk.read(stream)

    assert only_call(telemetry)["together.request.outcome"] == "auth_failure"
    assert telemetry.counter("together.client.auth.failures") == 1


def test_refused_at_the_start(
    sdk: Sdk, key: str, server: TogetherServer, telemetry: CapturedTelemetry
) -> None:
    """A stream whose key is refused never begins: it fails like any call."""
    server.revoke(key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=key), stream=True)

    assert only_call(telemetry)["together.auth.cause"] == "rejected"


@STAINLESS
def test_types_hold(sdk: Sdk, key: str, telemetry: CapturedTelemetry) -> None:  # noqa: ARG001 - on
    """The caller gets the SDK's own stream object, of its very class."""
    import together  # noqa: PLC0415 - after the instrumentation

    stream = sdk.chat(sdk.client(api_key=key), stream=True)

    assert type(stream) is (together.AsyncStream if sdk.is_async else together.Stream)
    assert stream.response.status_code == 200
    sdk.read(stream)


@pytest.mark.parametrize("chunks", [0, 1])
async def test_cancelled(
    chunks: int, key: str, server: TogetherServer, telemetry: CapturedTelemetry
) -> None:
    """Cancelling the task that waits for an answer, or for a chunk, ends the call as cancelled."""
    import together  # noqa: PLC0415 - after the instrumentation

    server.always(behaviours.slow(60, after=chunks))
    client = together.AsyncTogether(
        api_key=key, base_url=server.base_url_for(RELEASE), max_retries=0
    )
    got_one = asyncio.Event()

    async def reading() -> None:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        async for _ in stream:
            got_one.set()

    task = asyncio.create_task(reading())
    if chunks:
        await got_one.wait()
    else:
        await asyncio.to_thread(server.wait_for, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.release()
    if GENERATION > 1:
        await client.close()

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "cancelled"
    assert attributes["error.type"] in {
        "asyncio.CancelledError",
        "asyncio.exceptions.CancelledError",
    }
    assert [log for log in telemetry.logs() if "exception" in (log["event_name"] or "")] == []


def _collect() -> None:
    gc.collect()


async def _collect_async() -> None:
    gc.collect()
    # The loop closes the async generators that the collection left to it.
    for _ in range(5):
        await asyncio.sleep(0)


async def test_closed_in_another_context(
    key: str,
    server: TogetherServer,
    telemetry: CapturedTelemetry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A call that is closed from elsewhere while it waits ends, without a word of OpenTelemetry's."""
    import together  # noqa: PLC0415 - after the instrumentation

    server.always(behaviours.slow(60))
    client = together.AsyncTogether(
        api_key=key, base_url=server.base_url_for(RELEASE), max_retries=0
    )
    waiting = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    here = contextvars.copy_context()
    here.run(waiting.send, None)
    with contextlib.suppress(RuntimeError):
        waiting.close()
    server.release()
    if GENERATION > 1:
        await client.close()

    assert only_call(telemetry)["together.request.outcome"] == "cancelled"
    assert "Failed to detach context" not in caplog.text


def test_collected_inside_a_package_that_locks(
    sdk: Sdk, key: str, telemetry: CapturedTelemetry
) -> None:
    """Collected while OpenTelemetry is on the stack, its locks maybe held, the call ends later."""
    held = [sdk.chat(sdk.client(api_key=key), stream=True)]
    inside = {"__name__": "opentelemetry.sdk.somewhere", "held": held, "collect": gc.collect}
    exec("held.clear(); collect()", inside)  # noqa: S102 - a frame of another module's

    if sdk.is_async and GENERATION == 1:
        sdk.run(_collect_async)
    assert [span for span in telemetry.spans() if span["kind"] == "CLIENT"] == []
    settle()
    assert only_call(telemetry)["together.request.outcome"] == "abandoned"
