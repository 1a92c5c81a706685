"""However many calls are refused at once, there is one search, and nobody waits for ever."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from concurrency import ask, async_client, awaited, close, in_threads, sync_client
from generation import GENERATION
from processes import PATIENCE
from recovering import OLD, Answers, instrument, keys_sent, searches

from together_otel import recovery
from together_otel.recovery import sources

MANY = 20


class Gathering(Answers):
    """A source that answers once so many requests have come to the server."""

    def __init__(self, server, answer, number=MANY):
        super().__init__(answer)
        self._server = server
        self._number = number

    def __call__(self):
        self._server.wait_for(self._number)
        return super().__call__()


@pytest.mark.parametrize("relatives", [False, True], ids=["one client", "relatives"])
def test_twenty_threads(relatives, options, server, key, telemetry):
    """All of them are refused at once; the source is called once, and all of them get answers."""
    source = Gathering(server, key)
    instrument(telemetry, source)
    with sync_client(options) as client:

        def call():
            if relatives and GENERATION > 1:
                return ask(client.with_options(timeout=60))
            return ask(client)

        assert not [one for one in in_threads(MANY, call) if isinstance(one, Exception)]
        ask(client)
    assert source.calls == 1
    sent = keys_sent(server)
    assert (sent.count(OLD), sent.count(key)) == (MANY, MANY + 1)
    assert telemetry.counter("together.client.auth.failures") == MANY
    assert searches(telemetry) == {"recovered": 1}


def test_twenty_threads_and_no_key(options, server, telemetry):
    """They share a failure as well, each with its own refusal."""
    source = Gathering(server, None)
    instrument(telemetry, source)
    with sync_client(options) as client:
        found = in_threads(MANY, lambda: ask(client))
    assert all("Invalid API key" in str(one) for one in found)
    assert len({id(one) for one in found}) == MANY
    assert source.calls == 1
    assert searches(telemetry) == {"no_new_key": 1}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_twenty_tasks(kind, options, server, key, telemetry):
    """The event loop goes on while a sync source takes its time; an async one is on that loop."""
    answered = threading.Event()
    loops = []
    source = Gathering(server, key)

    def slow():
        found = source()
        assert answered.wait(PATIENCE)
        return found

    async def slow_too():
        loops.append(asyncio.get_running_loop())
        assert await asyncio.to_thread(answered.wait, PATIENCE)
        source.calls += 1
        return key

    async def main():
        client = async_client(options)
        loops.append(asyncio.get_running_loop())

        async def other_work():
            # Were the loop blocked, this would never come.
            await asyncio.to_thread(server.wait_for, MANY)
            answered.set()

        *answers, _ = await asyncio.gather(*(ask(client) for _ in range(MANY)), other_work())
        await close(client)
        return answers

    instrument(telemetry, slow if kind == "sync" else slow_too)
    assert all(one.choices for one in asyncio.run(main()))
    assert source.calls == 1
    assert len(set(map(id, loops))) == 1
    assert (keys_sent(server).count(OLD), keys_sent(server).count(key)) == (MANY, MANY)
    assert searches(telemetry) == {"recovered": 1}


@pytest.mark.skipif(GENERATION < 2, reason="a client of 1.x shares nothing between loops")
def test_tasks_of_several_loops(options, server, key, telemetry):
    """A search of one loop is waited for in the others."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    source = Gathering(server, key, 4)
    instrument(telemetry, source)

    class Client(httpx.AsyncClient):
        """Of each loop a client of its own, though it is the same object to the SDK."""

        async def send(self, *args, **kwargs):
            async with httpx.AsyncClient() as own:
                return await own.send(*args, **kwargs)

    shared = Client()
    client = async_client({**options, "http_client": shared})
    found = in_threads(4, lambda: asyncio.run(awaited(client)))
    assert not [one for one in found if isinstance(one, Exception)]
    assert source.calls == 1
    asyncio.run(close(client))


def test_a_cancelled_leader_does_not_take_the_others_with_it(options, server, key, telemetry):
    """The task whose refusal began the search is cancelled; the other one gets its key."""
    began, go_on = threading.Event(), threading.Event()

    def source():
        began.set()
        assert go_on.wait(PATIENCE)
        return key

    async def main():
        client = async_client(options)
        leader = asyncio.create_task(awaited(client))
        assert await asyncio.to_thread(began.wait, PATIENCE)
        other = asyncio.create_task(awaited(client))
        await asyncio.to_thread(server.wait_for, 2)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        go_on.set()
        answer = await other
        await close(client)
        return answer

    instrument(telemetry, source)
    assert asyncio.run(main()).choices
    assert keys_sent(server) == [OLD, OLD, key]
    assert searches(telemetry) == {"recovered": 1}


def test_a_leader_that_is_interrupted(options, server, telemetry, monkeypatch):
    """Ctrl-C at the prompt goes to the thread that asks; others get their refusals."""
    began, go_on = threading.Event(), threading.Event()

    def interrupted(_):
        if began.is_set():
            return  # to the other one, if it was too late to wait for the first
        began.set()
        assert go_on.wait(PATIENCE)
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "ask", interrupted)
    instrument(telemetry, recovery.prompt())
    with sync_client(options) as client, ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: began.wait(PATIENCE) and in_threads(1, lambda: ask(client)))

        def release():
            server.wait_for(2)
            go_on.set()

        releasing = threading.Thread(target=release)
        releasing.start()
        with pytest.raises(KeyboardInterrupt):
            ask(client)
        releasing.join()
        (refused,) = other.result()
    assert "Invalid API key" in str(refused)


def test_an_async_source_for_a_sync_client(options, key, telemetry):
    """It gets a loop of its own, be there one in the thread that calls or not."""

    async def source():
        await asyncio.sleep(0)
        return key

    instrument(telemetry, source)

    async def main(client):
        return ask(client)

    with sync_client(options) as client:
        assert ask(client).choices
    with sync_client(options) as client:
        assert asyncio.run(main(client)).choices
    assert searches(telemetry) == {"recovered": 2}
