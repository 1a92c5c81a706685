"""What the tests of recovery share: an SDK that is instrumented with sources, and their answers."""

import sys
from functools import partial

import pytest
import transfers
from generation import leaks, made_up_key
from reported import outcomes

from together_otel import TogetherInstrumentor, recovery
from together_otel.calls.call import Call

OLD = made_up_key("O")
"""A key that the server refuses; the one that it accepts is the fixture ``key``."""

BAD = made_up_key("N")
"""Another key that it refuses."""

SEARCHES = "together.client.key.recoveries"


class Answers:
    """A source that gives one answer after the other, the last one for ever; counts its calls."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Clock:
    """Seconds that pass when a test says so; ``step`` of them at each look as well."""

    def __init__(self, step=0.0):
        self.now = 1000.0
        self._step = step

    def __call__(self):
        self.now += self._step
        return self.now


def watched(path, clock):
    """Return a source of a file, by another clock."""
    source = recovery.file(path)
    assert source.watched is not None
    source.watched.clock = clock
    return source


def instrument(telemetry, sources):
    """Turn the instrumentation on anew, with sources of other keys."""
    if TogetherInstrumentor().is_instrumented_by_opentelemetry:
        TogetherInstrumentor().uninstrument()
    TogetherInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        recovery=sources,
    )


def searches(telemetry):
    """Return how many searches had which outcome, without those that none had."""
    return {
        point["attributes"]["together.recovery.outcome"]: point["value"]
        for point in telemetry.metrics().get(SEARCHES, ())
        if point["value"]
    }


def events(telemetry):
    """Return what `transfers.events` does, without the common prefix."""
    return [name.removeprefix("together.client.") for name in transfers.events(telemetry)]


def event(telemetry, name):
    """Return the attributes of the only event of a name."""
    (found,) = [log for log in telemetry.logs() if log["event_name"] == f"together.client.{name}"]
    return found["attributes"]


def keys_sent(server):
    """Return the keys of the requests that reached the server, in their order."""
    return [request.key for request in server.requests]


def refused(sdk, client):
    """Make a call that ends with a refusal, and return it."""
    with pytest.raises(Exception, match="Invalid API key") as caught:
        sdk.chat(client)
    return caught.value


def noted(monkeypatch):
    """Return the exceptions that leave the SDK from now on, in their order."""
    found = []
    fail = Call.fail

    def noting(call, exc=None):
        found.append(exc or sys.exc_info()[1])
        fail(call, exc)

    monkeypatch.setattr(Call, "fail", noting)
    return found


class Lab:
    """An SDK, its server, the key that this accepts, and what is emitted, by short names."""

    def __init__(self, sdk, server, key, telemetry):
        self.sdk, self.server, self.key, self.telemetry = sdk, server, key, telemetry
        self.client, self.chat, self.run, self.read = sdk.client, sdk.chat, sdk.run, sdk.read
        self.instrument = partial(instrument, telemetry)
        self.searches, self.outcomes = partial(searches, telemetry), partial(outcomes, telemetry)
        self.events, self.event = partial(events, telemetry), partial(event, telemetry)
        self.keys_sent, self.refused = partial(keys_sent, server), partial(refused, sdk)

    def leaks(self, *keys):
        """Return the stretches of keys that anything emitted shows."""
        return [part for key in keys for part in leaks(self.telemetry.everything(), key)]
