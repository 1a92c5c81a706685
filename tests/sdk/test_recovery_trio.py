"""Under trio, async calls are made again as under asyncio."""

import threading

import pytest
from concurrency import ask, async_client, awaited, close, refused
from generation import GENERATION
from processes import PATIENCE
from recovering import OLD, Answers, instrument, keys_sent, searches

from together_otel import recovery
from together_otel.recovery import asking
from together_otel.recovery.asking import TrioLoop

trio = pytest.importorskip("trio")
pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x knows asyncio only")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_many_tasks(kind, options, server, key, telemetry):
    """One search serves them; a sync source does not stop the loop, an async one runs on it."""
    all_refused = threading.Event()
    tokens = []

    def source():
        assert all_refused.wait(PATIENCE)
        return key

    async def async_source():
        tokens.append(trio.lowlevel.current_trio_token())
        while not all_refused.is_set():
            await trio.sleep(0.001)
        return key

    async def main():
        client = async_client(options)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(awaited, client)
            await trio.to_thread.run_sync(server.wait_for, 5)
            all_refused.set()
        assert (await ask(client)).choices
        await close(client)
        return trio.lowlevel.current_trio_token()

    instrument(telemetry, source if kind == "sync" else async_source)
    token = trio.run(main)
    assert tokens == ([] if kind == "sync" else [token])
    assert (keys_sent(server).count(OLD), keys_sent(server).count(key)) == (5, 6)
    assert searches(telemetry) == {"recovered": 1}


def test_no_other_key(options, telemetry):
    """The refusal stands: nothing found, and an async source that takes too long."""
    instrument(telemetry, [Answers(None), recovery.function(trio.sleep_forever, limit=0.01)])
    trio.run(refused, options)
    assert searches(telemetry) == {"source_failed": 1}


def test_a_cancelled_call(options, server, key, telemetry):
    """It stops waiting at once; the search goes on for the next call, though the run is over."""
    began, go_on = threading.Event(), threading.Event()

    def source():
        began.set()
        assert go_on.wait(PATIENCE)
        return key

    async def cancelled():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(awaited, client)
            await trio.to_thread.run_sync(began.wait, PATIENCE)
            nursery.cancel_scope.cancel()

    async def again():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(awaited, client)
            await trio.to_thread.run_sync(server.wait_for, 2)
            go_on.set()
        await close(client)

    instrument(telemetry, source)
    # A connection belongs to its run.
    client = async_client({**options, "default_headers": {"Connection": "close"}})
    trio.run(cancelled)
    trio.run(again)
    assert keys_sent(server) == [OLD, OLD, key]
    assert searches(telemetry) == {"recovered": 1}


def test_a_run_that_is_over(key):
    """An async source is not begun, and nothing is left over."""

    async def main():
        return trio.lowlevel.current_trio_token()

    async def source():
        return key

    with pytest.raises(trio.RunFinishedError):
        asking.answer_of(recovery.function(source), TrioLoop(trio, trio.run(main)))
