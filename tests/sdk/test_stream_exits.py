"""A stream that its reader ends, or leaves, is told once, with what is true.

Broken off by others: ``test_stream_failures``. Left to others: ``test_stream_ownership``.
"""

import contextlib
import gc
import inspect

import pytest
from generation import GENERATION
from opentelemetry import context
from steps import (
    LEAKS,
    chat,
    close,
    each,
    forget,
    nothing_else_is_said,  # noqa: F401 - a fixture of all tests here
    only_call,
    read_to_the_end,
    step,
    tell,
    unended,
    within,
)

GENERATED_CLIENTS = pytest.mark.skipif(GENERATION < 2, reason="1.x streams are plain generators")

pytestmark = LEAKS


async def read_on_after_the_end(stream):
    await read_to_the_end(stream)
    for _ in range(2):
        assert [chunk async for chunk in each(stream)] == []


async def read_and_closed(stream):
    await read_to_the_end(stream)
    await close(stream)


async def read_inside_with(stream):
    async with within(stream) as entered:
        await read_to_the_end(entered)


async def read_in_two_goes(stream):
    await step(stream)
    gc.collect()
    await read_to_the_end(stream)


async def never_iterated(stream):
    pass


async def dropped_after_a_chunk(stream):
    await step(stream)


async def left_by_break(stream):
    async for _ in each(stream):
        break


async def left_by_break_at_the_finish_reason(stream):
    async for chunk in each(stream):
        if chunk.choices[0].finish_reason:
            break


async def raise_in_the_loop(stream, exc):
    async for _ in each(stream):
        raise exc


async def left_by_an_exception(stream):
    mine = LookupError("the reader's own")
    with pytest.raises(LookupError) as caught:
        await raise_in_the_loop(stream, mine)
    assert caught.value is mine


async def closed_unread(stream):
    await close(stream)


async def closed_after_a_chunk_and_again(stream):
    await step(stream)
    await close(stream)
    await close(stream)


async def read_on_after_closing(stream):
    await step(stream)
    await close(stream)
    with contextlib.suppress(Exception):
        await step(stream)


async def left_by_with(stream):
    async with within(stream):
        await step(stream)


async def raise_within(stream, exc):
    async with within(stream):
        await step(stream)
        raise exc


async def left_by_an_exception_in_with(stream):
    mine = LookupError("the reader's own")
    with pytest.raises(LookupError) as caught:
        await raise_within(stream, mine)
    assert caught.value is mine


async def in_a_generator_that_is_closed(stream):
    generator = each(stream)
    await anext(generator)
    await generator.aclose()


async def in_a_generator_that_is_thrown_into(stream):
    generator = each(stream)
    await anext(generator)
    with pytest.raises(LookupError):
        await generator.athrow(LookupError())


async def throw(stream, exc):
    await stream.athrow(exc) if hasattr(stream, "athrow") else stream.throw(exc)


async def thrown_into_itself(stream):
    await step(stream)
    with pytest.raises(LookupError):
        await throw(stream, LookupError())


WAYS = [
    (read_to_the_end, "success", ["stop"]),
    (read_on_after_the_end, "success", ["stop"]),
    (read_and_closed, "success", ["stop"]),
    (read_inside_with, "success", ["stop"]),
    (read_in_two_goes, "success", ["stop"]),
    (never_iterated, "abandoned", None),
    (dropped_after_a_chunk, "abandoned", ["error"]),
    (left_by_break, "abandoned", ["error"]),
    (left_by_break_at_the_finish_reason, "abandoned", ["stop"]),
    (left_by_an_exception, "abandoned", ["error"]),
    (closed_unread, "abandoned", None),
    (closed_after_a_chunk_and_again, "abandoned", ["error"]),
    (read_on_after_closing, "abandoned", ["error"]),
    (left_by_with, "abandoned", ["error"]),
    (left_by_an_exception_in_with, "abandoned", ["error"]),
    (in_a_generator_that_is_closed, "abandoned", ["error"]),
    (in_a_generator_that_is_thrown_into, "abandoned", ["error"]),
    (thrown_into_itself, "abandoned", ["error"]),
]
"""What the reader does, the outcome told, and the finish reasons."""

# What a plain generator cannot, and what nothing else can.
IMPOSSIBLE = (
    {read_inside_with, left_by_with, left_by_an_exception_in_with}
    if GENERATION == 1
    else {thrown_into_itself}
)


@pytest.mark.parametrize(
    ("way", "outcome", "reasons"),
    [pytest.param(*one, id=one[0].__name__) for one in WAYS if one[0] not in IMPOSSIBLE],
)
def test_way(way, outcome, reasons, sdk, key, telemetry):
    """Whatever the reader does, one call is told of, and his context is as it was."""
    client = sdk.client(api_key=key)

    async def story():
        before = context.get_current()
        stream = await chat(client, stream=True)
        assert unended(telemetry)
        await way(stream)
        assert context.get_current() is before

    tell(sdk, story)

    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert attributes.get("gen_ai.response.finish_reasons") == reasons


@GENERATED_CLIENTS
def test_a_break_alone_ends_nothing(sdk, key, telemetry):
    """Reading may go on as long as someone has the stream."""
    client = sdk.client(api_key=key)

    async def story():
        stream = await chat(client, stream=True)
        await left_by_break(stream)
        gc.collect()
        assert unended(telemetry)
        await read_to_the_end(stream)

    tell(sdk, story)
    assert only_call(telemetry)["together.request.outcome"] == "success"


@GENERATED_CLIENTS
def test_closing_ends_at_once(sdk, key, telemetry):
    """Though the stream is kept, and is collected later."""
    client = sdk.client(api_key=key)

    async def story():
        stream = await chat(client, stream=True)
        await step(stream)
        await close(stream)
        only_call(telemetry)

    tell(sdk, story)
    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


@GENERATED_CLIENTS
def test_close_is_a_coroutine_function_or_not(sdk, key, telemetry):
    """Frameworks that close a stream in the background go by that."""
    client = sdk.client(api_key=key)

    async def story():
        stream = await chat(client, stream=True)
        kind = inspect.iscoroutinefunction(stream.close)
        await close(stream)
        assert kind == sdk.is_async

    tell(sdk, story)
    only_call(telemetry)


@GENERATED_CLIENTS
@pytest.mark.parametrize(
    ("way", "outcome"), [(never_iterated, "abandoned"), (read_to_the_end, "success")]
)
def test_close_outlives_the_stream(way, outcome, sdk, key, telemetry):
    """Put down to be done at last, it may be all that is left of a stream."""
    client = sdk.client(api_key=key)

    async def story():
        async with contextlib.AsyncExitStack() as stack:
            stream = await chat(client, stream=True)
            later = stack.push_async_callback if sdk.is_async else stack.callback
            later(stream.close)
            response = stream.response
            await way(stream)
            del stream
            await forget()
        assert response.is_closed

    tell(sdk, story)
    assert only_call(telemetry)["together.request.outcome"] == outcome
