"""Sources that take their time, or for ever: nobody waits longer than there is something to wait for."""

import asyncio
import dataclasses
import threading

import pytest
from concurrency import ask, refused, sync_client
from forking import in_child
from generation import close_session
from processes import PATIENCE
from recovering import OLD, Answers, Clock, instrument, keys_sent, searches

from together_otel import recovery
from together_otel.recovery import asking
from together_otel.recovery.asking import AsyncioLoop
from together_otel.recovery.replacements import REPLACEMENTS, Pending
from together_otel.recovery.search import Search


def search_of(replacement):
    """Return a search that asks nobody: it joins another one."""
    unused = None
    return Search(unused, replacement, unused, unused, OLD)


def test_a_sync_call_on_the_loop_of_a_search(server):
    """It would wait for what only that loop can give: it is refused at once."""
    replacement = REPLACEMENTS.of(server, OLD)

    async def main():
        at_work = Pending()
        at_work.loop = AsyncioLoop(asyncio.get_running_loop())
        replacement.join(at_work)
        return search_of(replacement).found()

    assert asyncio.run(main()) is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_waits_for_no_search_of_its_parent(server):
    """The thread that ran it is not in the child: there, the next refusal begins one anew."""
    replacement, at_work = REPLACEMENTS.of(server, OLD), Pending()
    assert replacement.join(at_work) is replacement.join(Pending()) is at_work

    def begins_anew():
        own = Pending()
        return replacement.join(own) is own

    assert in_child(begins_anew)


def test_a_source_that_takes_too_long(options, key, telemetry):
    """Sync or async, it is not waited for any longer than its limit."""
    never = threading.Event()

    async def slow():
        await asyncio.sleep(60)
        return key

    instrument(
        telemetry,
        [
            recovery.function(lambda: never.wait(60) and key, limit=0.01),
            recovery.function(slow, limit=0.01),
        ],
    )

    with sync_client(options) as client, pytest.raises(Exception, match="Invalid API key"):
        ask(client)
    instrument(telemetry, recovery.function(slow, limit=0.01))
    asyncio.run(refused(options))
    never.set()
    assert searches(telemetry) == {"source_failed": 2}


def test_a_source_that_hangs_is_not_asked_again(options, key, telemetry):
    """Else each refusal would leave another thread behind; when it has come back, it is."""
    go_on, asked = threading.Event(), []

    def source():
        asked.append(threading.current_thread())
        assert go_on.wait(PATIENCE)
        return key

    clock = Clock(step=3600.0)  # it never rests
    hanging = dataclasses.replace(recovery.function(source, limit=0.5), clock=clock)
    instrument(telemetry, hanging)
    with sync_client(options) as client:
        for _ in range(3):
            with pytest.raises(Exception, match="Invalid API key"):
                ask(client)
        assert len(asked) == 1
        assert searches(telemetry) == {"source_failed": 3}
        go_on.set()
        asked[0].join()
        object.__setattr__(hanging, "limit", PATIENCE)  # which nothing waits for
        assert ask(client).choices


def test_a_source_that_calls_together_itself(options, server, key, telemetry):
    """Its own refusal is not recovered from: it would wait for itself."""
    with sync_client(options) as client:

        def source():
            (refused,) = here(lambda: ask(client))
            assert "Invalid API key" in str(refused)
            return key

        instrument(telemetry, source)
        assert ask(client).choices
    assert keys_sent(server) == [OLD, OLD, key]


def here(call):
    """Return what a call gives here, with what 1.x keeps open for a thread closed."""
    try:
        return [call()]
    except Exception as exc:  # noqa: BLE001 - it is what is asked for
        return [exc]
    finally:
        close_session()


def test_a_constructor_on_an_event_loop_asks_only_who_answers_at_once(
    options, key, telemetry, monkeypatch
):
    """Nobody can await it, and it is not to hold the loop up; a sync client's may wait."""
    import together  # noqa: PLC0415 - the SDK itself

    source = Answers(key)
    del options["api_key"]

    async def main(kind):
        return kind(**options)

    instrument(telemetry, source)
    with pytest.raises(Exception, match="api_key client option must be set"):
        asyncio.run(main(together.AsyncTogether))
    assert source.calls == 0
    assert searches(telemetry) == {"no_new_key": 1}

    asyncio.run(main(together.Together))
    assert source.calls == 1

    instrument(telemetry, [source, recovery.environment("ANOTHER_VARIABLE")])
    monkeypatch.setenv("ANOTHER_VARIABLE", key)
    asyncio.run(main(together.AsyncTogether))
    assert source.calls == 1


def test_where_no_thread_can_be_started(options, key, telemetry, monkeypatch):
    """At the interpreter's end there are none: the refusal stands."""
    instrument(telemetry, Answers(key))

    def none(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("together_otel.recovery.search.in_thread", none)
    monkeypatch.setattr(asking, "in_thread", none)

    asyncio.run(refused(options))
    with sync_client(options) as client, pytest.raises(Exception, match="Invalid API key"):
        ask(client)
    assert searches(telemetry) == {"source_failed": 1}


def test_where_the_loop_of_an_async_source_is_closed(key):
    """Nothing of it is begun, and nothing is left over."""

    async def source():
        return key

    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        asking.answer_of(recovery.function(source), AsyncioLoop(loop))


def test_an_async_call_on_an_unknown_loop(server, caplog):
    """It could not wait for the search, and is refused; that is logged once."""
    for _ in range(2):
        found = search_of(REPLACEMENTS.of(server, OLD)).found_async()
        with pytest.raises(StopIteration) as ended:
            found.send(None)
        assert ended.value.value is None
    assert caplog.text.count("Recovery is off for async calls here") == 1
