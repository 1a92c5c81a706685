"""What an application does with a client, written once for sync and async; what is told of it.

A story is a coroutine that awaits what an async client gives; with a sync client it never waits.
"""

import asyncio
import contextlib
import gc
import inspect
import logging

import pytest
from generation import GENERATION, MESSAGES, MODEL
from measured import measured

from together_otel.calls.open_calls import end_dropped

LEAKS = [
    pytest.mark.filterwarnings(
        "ignore:[Uu]nclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    )
] * (GENERATION == 1)
"""1.x leaves its HTTP session open when a stream of it is left, with us or without."""


async def forget():
    """Collect what nobody has any more; async generators are closed by their loop, if there is one."""
    gc.collect()
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()


def tell(sdk, story):
    """Run a story in one context from end to end, and collect what it leaves."""

    async def told():
        result = await story()
        await forget()
        return result

    if sdk.is_async:
        return sdk.run(told)
    steps = told().__await__()
    with pytest.raises(StopIteration) as end:
        next(steps)
    return end.value.value


async def got(value):
    """Return what a client gives."""
    return await value if inspect.isawaitable(value) else value


async def chat(client, **options):
    """Make one chat completion."""
    asked = {"model": MODEL, "messages": MESSAGES, **options}
    return await got(client.chat.completions.create(**asked))


async def step(stream):
    """Read one chunk."""
    return await anext(stream) if hasattr(stream, "__anext__") else next(stream)


async def each(iterable):
    """Go through it as callers do: in a loop, or in a generator of theirs."""
    if hasattr(iterable, "__aiter__"):
        async for one in iterable:
            yield one
    else:
        for one in iterable:
            yield one


async def read_to_the_end(stream):
    """Read what is left, more than two chunks."""
    assert len([chunk async for chunk in each(stream)]) > 2


@contextlib.asynccontextmanager
async def within(manager):
    """Enter a context manager."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


async def close(stream):
    """Close a stream; the async generators of 1.x have another name for it."""
    await got(stream.aclose() if hasattr(stream, "aclose") else stream.close())


def unended(telemetry):
    """Tell whether no call has ended yet."""
    return not [span for span in telemetry.spans() if span["kind"] == "CLIENT"]


def only_call(telemetry):
    """Return the attributes of the one CLIENT span, after making sure that metrics agree."""
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    attributes = span["attributes"]
    outcome = attributes["together.request.outcome"]
    assert (span["status"] == "UNSET") == (outcome in {"success", "abandoned"})
    assert ("error.type" in attributes) == (span["status"] == "ERROR")
    assert telemetry.counter("together.client.requests") == 1
    assert telemetry.counter("together.client.requests", {"together.request.outcome": outcome}) == 1
    assert measured(telemetry) == 1
    return attributes


@pytest.fixture(autouse=True)
def nothing_else_is_said(
    telemetry,  # noqa: ARG001 - shut down after this
    caplog,
):
    """Nobody but us has logged a warning, OpenTelemetry of contexts least of all."""
    yield
    gc.collect()
    end_dropped()
    others = [
        one.getMessage()
        for one in caplog.get_records("call")
        if one.levelno >= logging.WARNING and not one.name.startswith("together_otel")
    ]
    if GENERATION == 1:
        others = [said for said in others if not said.startswith("Unclosed ")]
    assert others == []
