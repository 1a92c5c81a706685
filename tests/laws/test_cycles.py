"""The instrumentation turned on and off any number of times leaves nothing behind."""

import asyncio
import atexit
import contextlib
import gc
import logging
import threading
import types
import weakref
from collections import Counter
from unittest.mock import Mock

import pytest
from application import (
    CHUNK,
    MODES,
    Application,
    Telemetry,
    drive,
    observe,
    off,
    plain,
    refusal,
    streaming,
)
from generation import MESSAGES, MODEL
from prometheus_client import CollectorRegistry

from together_otel.calls.generators import _Steps
from together_otel.calls.iterators import watch
from together_otel.calls.open_calls import end_dropped

TIMES = 1000


@pytest.fixture(autouse=True)
def only_new_objects():
    """Count nothing that other fixtures made."""
    gc.collect()
    gc.freeze()


def objects():
    """Return how many new objects there are: all, of our classes, functions of our modules."""
    gc.collect()
    found = Counter(all=len(gc.get_objects()))
    for one in gc.get_objects():
        named = one if type(one) is types.FunctionType else type(one)
        if str(named.__module__).startswith("together_otel"):
            found[f"{named.__module__}.{named.__qualname__}"] += 1
    return found


@pytest.mark.parametrize("backend", ["otel", "prometheus"])
def test_a_thousand_cycles_leak_nothing(backend, monkeypatch):
    """Objects, hooks of forks and exits, handlers and threads are as many as after a few."""
    monkeypatch.setenv("TOGETHER_OTEL_METRICS", backend)
    telemetry, exits = Telemetry(), []
    telemetry.registry = CollectorRegistry()

    def unregister(hook):
        exits[:] = [one for one in exits if one != hook]

    monkeypatch.setattr(atexit, "register", lambda hook, *_a, **_k: exits.append(hook))
    monkeypatch.setattr(atexit, "unregister", unregister)

    def after(times):
        for _ in range(times):
            telemetry.instrument()
            off()
        loggers = [logging.getLogger(name) for name in (None, "together_otel", "together")]
        logs = [(list(one.handlers), list(one.filters), one.level) for one in loggers]
        return objects(), (logs, threading.active_count(), list(exits))

    few, few_more = after(3)
    many, many_more = after(TIMES)
    assert many_more == few_more
    growth = many - few
    # Less than one object a cycle, whoever's it is.
    assert growth.pop("all", 0) < TIMES / 2
    assert growth == Counter()


@pytest.mark.parametrize("calls", [0, 1])
@pytest.mark.parametrize("part", ["meters", "tracers", "loggers", "registry"])
def test_providers_can_be_collected(part, calls, monkeypatch):
    """Each, once the instrumentation is off, whether it was used or not."""
    if part == "registry":
        monkeypatch.setenv("TOGETHER_OTEL_METRICS", "prometheus")
    kept = []
    for _ in range(3):
        telemetry = Telemetry()
        telemetry.registry = CollectorRegistry()
        telemetry.instrument()
        for scenario in (plain, refusal) * calls:
            observe(scenario)
        off()
        if part != "registry":
            getattr(telemetry, part).shutdown()
        kept.append(weakref.ref(getattr(telemetry, part)))
        del telemetry
    gc.collect()
    assert [one() for one in kept] == [None] * 3


@pytest.mark.parametrize("begun", [False, True])
def test_a_dropped_stream_keeps_nothing_alive(begun):
    """Client, HTTP client and response are collected with it, though its call waits for the next."""
    telemetry, kept = Telemetry(), []
    telemetry.instrument()

    def drop():
        app = Application("sync")
        client = app.client(streaming(CHUNK, CHUNK))
        stream = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        if begun:
            next(stream)
        kept.extend(map(weakref.ref, (client, client._client, stream, stream.response)))

    drop()
    # The first closes the generators.
    gc.collect()
    gc.collect()
    assert [one() for one in kept] == [None] * 4
    telemetry.reader.get_metrics_data()
    assert telemetry.spans[-1].attributes["together.request.outcome"] == "abandoned"
    assert telemetry.spans[-1].attributes["http.response.status_code"] == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("thrown", [GeneratorExit, ValueError])
@pytest.mark.parametrize("is_call", [False, True])
def test_a_stream_left_early_waits_for_no_collection(is_call, thrown, mode):
    """What its generator holds, such as 1.x its connection, is freed at once, as without us."""
    kept = []

    class Body:
        def __init__(self):
            kept.append(weakref.ref(self))

    def chunks():
        body = Body()
        yield hash(body)

    async def chunks_async():
        body = Body()
        yield hash(body)

    async def leave():
        is_async, watcher = mode == "async", Mock(got=lambda _: None)
        stream = chunks_async() if is_async else chunks()
        stream = watch(_Steps(stream, Mock()) if is_call else stream, watcher)
        with contextlib.suppress(thrown):
            await anext(stream) if is_async else next(stream)
            await stream.athrow(thrown) if is_async else stream.throw(thrown)

    gc.disable()
    try:
        drive(leave(), mode)
        assert [one() for one in kept] == [None]
    finally:
        gc.enable()


def test_a_call_collected_while_it_waits_is_reported_later():
    """A collection may run while a lock is held; an event loop that nobody closes leaves such calls."""
    telemetry = Telemetry()
    telemetry.instrument()

    async def begin():
        at_work = asyncio.Event()

        async def hang(_request):
            at_work.set()
            await asyncio.Future()

        app = Application("async")
        asyncio.ensure_future(app.chat(app.client(hang)))  # noqa: RUF006 - to be dropped
        await at_work.wait()

    (loop := asyncio.new_event_loop()).run_until_complete(begin())
    loop.close()
    before = list(telemetry.spans)
    del loop
    gc.collect()
    assert telemetry.spans == before
    end_dropped()
    (span,) = telemetry.spans[len(before) :]
    assert span.attributes["together.request.outcome"] == "cancelled"
    assert span.attributes["error.type"] == "GeneratorExit"
