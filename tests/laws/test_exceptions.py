"""An exception of the application's own may do anything when it is asked, and goes on as it is."""

import signal
import threading
import time
from dataclasses import dataclass
from unittest import mock

import pytest
import together
from application import (
    MODES,
    Application,
    Telemetry,
    accepted,
    drive,
    observe,
    plain,
    refusal,
    refused,
)

from together_otel.calls.iterators import watch
from together_otel.calls.state import Timing


@dataclass(frozen=True)
class FrozenError(Exception):
    """Nothing can be assigned to it, its traceback included."""

    code: int = 1


class LookupsError(Exception):
    """Looks up elsewhere what it does not have."""

    def __getattr__(self, name):
        raise KeyError(name)


class UntrueError(Exception):
    def __bool__(self):
        raise ValueError


class UnreadableError(Exception):
    @property
    def exceptions(self):
        raise ValueError

    response = request = body = code = status_code = status = exceptions


KINDS = FrozenError, LookupsError, UntrueError, UnreadableError


def hooked(kind, answer, *, caused=False):
    """Return a scenario in which a hook of the application's raises such an exception."""

    def fail():
        if caused:
            raise ValueError from kind()
        raise kind

    def hook(_response):
        fail()

    async def hook_async(_response):
        fail()

    async def scenario(app):
        client = app.client(answer)
        is_async = hasattr(client._client, "aclose")
        client._client.event_hooks = {"response": [hook_async if is_async else hook]}
        return await app.chat(client)

    return scenario


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answer", [accepted, refused])
@pytest.mark.parametrize("caused", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_as_it_is(kind, caused, answer, mode):
    """Class, arguments, causes and traceback are as without us; a refusal is told as one."""
    scenario = hooked(kind, answer, caused=caused)
    without, telemetry = observe(scenario, mode), Telemetry()
    telemetry.instrument()
    assert observe(scenario, mode).differences(without) == []
    told = int(answer is refused)
    assert telemetry.failures() == {"count": told, "line": 0, "record": told, "span": told}


class UnlinkedError(Exception):
    @property
    def __cause__(self):
        raise ValueError

    __context__ = __traceback__ = __cause__


@pytest.mark.parametrize("mode", MODES)
def test_links_that_cannot_be_read(mode, monkeypatch):
    """The application gets the exception, though nothing can be found out about it."""
    monkeypatch.setattr("together_otel.guard.Guard.raising", False)
    Telemetry().instrument()
    try:
        drive(hooked(UnlinkedError, accepted)(Application(mode)), mode)
    except Exception as exc:  # noqa: BLE001 - pytest.raises would read them
        got = type(exc)
    assert got is together.APIConnectionError


class TimeLimitError(Exception):
    """As Celery's soft one and RQ's are, this is an ordinary exception."""


class Job:
    def reached(self, _signal, _frame):
        raise TimeLimitError


@pytest.fixture
def time_limit():
    """What reaches a limit that a handler of a signal has."""
    before = signal.signal(signal.SIGUSR1, Job().reached)
    yield lambda *_, **__: signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


PLACES = {
    "key": "together_otel.auth.registry.KeyRegistry.look",
    "request": "together_otel.clients.generated.Generated.request",
    "span": "together_otel.telemetry.spans.start_call",
    "answer": "together_otel.clients.generated.Generated.answer",
    "count": "together_otel.telemetry.recorder.Recorder.record",
}
WHERE_FAILED = {
    "failure": "together_otel.clients.generated.failure_of",
    "text": "together_otel.keys.exceptions.redacted_traceback",
    "log": "together_otel.telemetry.log_lines.write",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", [*PLACES, *WHERE_FAILED])
def test_a_time_limit_is_no_error_of_ours(place, mode, time_limit):
    """It reaches the application though it comes while we work, and leaves no context behind."""
    telemetry = Telemetry()
    telemetry.instrument()
    where, scenario = {**PLACES, **WHERE_FAILED}[place], plain if place in PLACES else refusal
    with mock.patch(where, side_effect=time_limit), pytest.raises(TimeLimitError):
        drive(scenario(Application(mode)), mode)
    assert "swallowed" not in str(telemetry.reader.get_metrics_data())


@pytest.mark.parametrize("mode", MODES)
def test_a_time_limit_while_a_chunk_is_read(mode, time_limit):
    """It reaches the application, and is no sign of a chunk of another shape."""

    class Chunk:
        __dict__ = property(time_limit)

    async def chunks_async():
        for one in (object(), Chunk()):
            yield one

    reading = Timing(), False, print, time.perf_counter
    chunks = chunks_async() if mode == "async" else iter([object(), Chunk()])
    stream = watch(chunks, mock.Mock(got=lambda _: reading))

    async def read():
        return [one async for one in stream] if mode == "async" else list(stream)

    with pytest.raises(TimeLimitError):
        drive(read(), mode)


def test_a_time_limit_ends_the_wait_for_another_key(time_limit):
    """Also where the application waits for a source of keys, which takes its time."""
    is_over, telemetry = threading.Event(), Telemetry()

    def ask():
        time_limit()
        is_over.wait()

    telemetry.instrument(recovery=ask)
    try:
        with pytest.raises(TimeLimitError):
            drive(refusal(Application("sync")), "sync")
    finally:
        is_over.set()
