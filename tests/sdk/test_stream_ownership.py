"""A stream that is handed to another context, thread or loop, or left to the collector or the exit.

Read in another thread or task: ``test_neighbours_concurrency``; in a forked child:
``test_neighbours_processes``; under an eager collector: ``test_stress``.
"""

import asyncio
import contextvars
import gc
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from generation import GENERATION, RELEASE
from processes import run_to_end
from steps import (
    LEAKS,
    chat,
    forget,
    nothing_else_is_said,  # noqa: F401 - a fixture of all tests here
    only_call,
    read_to_the_end,
    step,
    tell,
    unended,
)

from together_otel.calls import open_calls
from together_otel.calls.open_calls import end_dropped

pytestmark = LEAKS

PROGRAM = Path(__file__).parent / "programs" / "stream_left_open.py"
ROOT = Path(__file__).parents[2]
LEFT_WITH_A_CLOSED_LOOP = pytest.mark.filterwarnings(
    # The SDK's own connection.
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def test_each_chunk_in_a_context_of_its_own(sdk, key, telemetry):
    """As frameworks do that resume a generator from wherever they are."""
    client = sdk.client(api_key=key)

    async def story():
        stream = await chat(client, stream=True)
        for _ in range(3):
            if sdk.is_async:
                await asyncio.create_task(step(stream))
            else:
                contextvars.copy_context().run(next, stream)
        await read_to_the_end(stream)

    tell(sdk, story)
    assert only_call(telemetry)["gen_ai.response.finish_reasons"] == ["stop"]


def test_dropped_in_another_thread(sdk, key, telemetry):
    """Made and begun in one, collected in another."""
    client = sdk.client(api_key=key)
    held = []

    async def story():
        held.append(await chat(client, stream=True))
        await step(held[0])

    def drop():
        held.clear()
        gc.collect()

    tell(sdk, story)
    assert unended(telemetry)
    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    if sdk.is_async and GENERATION == 1:
        tell(sdk, forget)  # its generators are closed by their loop
    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


@LEFT_WITH_A_CLOSED_LOOP
def test_in_another_loop(key, server, telemetry):
    """What the SDK cannot do there fails as ever, and is told as just that."""
    import together  # noqa: PLC0415 - after the instrumentation

    held = []
    raised = []

    async def make():
        made = together.AsyncTogether(
            api_key=key, base_url=server.base_url_for(RELEASE), max_retries=0
        )
        held.append(await chat(made, stream=True))

    async def read():
        try:
            await read_to_the_end(held[0])
        except Exception as exc:  # noqa: BLE001 - which one, if any, depends on what has arrived
            raised.append(type(exc).__name__)

    asyncio.run(make())
    asyncio.run(read())
    held.clear()
    gc.collect()

    told = only_call(telemetry).get("error.type")
    assert ([told.rpartition(".")[2]] if told else []) == raised


@LEFT_WITH_A_CLOSED_LOOP
def test_its_loop_ends_before_it(key, server, telemetry):
    """The loop closes the SDK's generators at its end; ours is none that it knows."""
    import together  # noqa: PLC0415 - after the instrumentation

    held = []
    complaints = []

    async def leave():
        asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said))
        made = together.AsyncTogether(
            api_key=key, base_url=server.base_url_for(RELEASE), max_retries=0
        )
        held.append(await chat(made, stream=True))
        await step(held[0])

    asyncio.run(leave())
    assert complaints == []
    held.clear()
    gc.collect()
    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


def test_collected_inside_a_package_that_locks(sdk, key, telemetry):
    """Collected while OpenTelemetry is on the stack, its locks maybe held, the call ends later."""
    held = [sdk.chat(sdk.client(api_key=key), stream=True)]
    inside = {"__name__": "opentelemetry.sdk.somewhere", "held": held, "collect": gc.collect}
    exec("held.clear(); collect()", inside)  # noqa: S102 - a frame of another module's
    if sdk.is_async and GENERATION == 1:
        tell(sdk, forget)  # its generators are closed by their loop

    assert not open_calls.dropped.empty()
    end_dropped()
    assert only_call(telemetry)["together.request.outcome"] == "abandoned"


@pytest.mark.parametrize("first", ["providers", "finalizers"])
@pytest.mark.parametrize(
    ("kind", "how"),
    [("sync", "end"), ("sync", "sys.exit"), ("sync", "exception"), ("async", "end")],
)
def test_interpreter_exit(kind, how, first, server, key):
    """A stream that is open at the end is exported as abandoned, whatever was set up first."""
    done = run_to_end(
        [sys.executable, PROGRAM, kind, first, how],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TOGETHER_API_KEY": key,
            "TOGETHER_BASE_URL": server.base_url_for(RELEASE),
        },
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(told, key=str) == [
        ["chat a/model", "abandoned"],
        ["requests", {"success": 0, "auth_failure": 0, "abandoned": 1}],
        ["together.client.init", None],
    ]
    if how == "exception":
        assert done.stderr.count("Traceback") == 1
        assert done.stderr.endswith("LookupError: the application's own\n")
    else:
        assert done.stderr == ""
