"""A client of the application's own may compute its key for each request: nobody else asks for it."""

import contextlib

import httpx
import pytest
import together
from application import COMPLETION, MODES, REFUSAL, Application, Telemetry, accepted, drive, refused
from generation import MESSAGES, MODEL, leaks, made_up_key

KEYS = [made_up_key(letter) for letter in "CDE"]


def computing(kind):
    """Return a subclass of a client whose key is the next of several each time it is asked."""

    class Rotating(kind):
        asked = 0

        @property
        def api_key(self):
            type(self).asked += 1
            return KEYS[self.asked % len(KEYS)]

        @api_key.setter
        def api_key(self, given):
            """Take no other."""

    return Rotating


def run(mode, answers):
    """Call so many times; return the headers that were sent, and how often the key was asked for."""
    is_async, sent, left = mode == "async", [], list(answers)
    kind = computing(together.AsyncTogether if is_async else together.Together)

    def handle(request):
        sent.append(request.headers["authorization"])
        return left.pop(0)

    http = httpx.AsyncClient if is_async else httpx.Client
    client = kind(
        api_key=KEYS[0],
        http_client=http(transport=httpx.MockTransport(handle)),
        max_retries=0,
    )

    async def calls():
        for _ in answers:
            with contextlib.suppress(together.AuthenticationError):
                asked = client.chat.completions.create(model=MODEL, messages=MESSAGES)
                if is_async:
                    await asked

    drive(calls(), mode)
    return sent, kind.asked


@pytest.mark.parametrize("mode", MODES)
def test_a_key_that_is_computed_is_asked_for_once(mode):
    """The same keys are sent as without us, and the one that is refused is the one that is told."""

    def answers():
        return [httpx.Response(200, json=COMPLETION)] * 4 + [httpx.Response(401, json=REFUSAL)]

    without, telemetry = run(mode, answers()), Telemetry()
    telemetry.instrument()
    assert run(mode, answers()) == without
    causes = [one.attributes.get("together.auth.cause") for one in telemetry.spans]
    assert causes[-1] == "revoked"
    said = str([dict(one.attributes) for one in telemetry.spans])
    assert [leak for key in KEYS for leak in leaks(said, key)] == []


class Turning:
    """A key whose text is the next of several each time that it is read."""

    def __init__(self):
        self.read = 0

    def __str__(self):
        self.read += 1
        return KEYS[self.read % len(KEYS)]


@pytest.mark.parametrize("mode", MODES)
def test_calls_read_a_key_that_is_an_object_as_often_as_without_us(mode):
    """And the text that was sent is the one that is refused."""
    telemetry = Telemetry()
    telemetry.instrument()
    app, key = Application(mode), Turning()
    client, before = app.client(accepted, accepted, refused, api_key=key), key.read

    async def calls():
        for _ in range(2):
            await app.chat(client)
        with contextlib.suppress(together.AuthenticationError):
            await app.chat(client)

    drive(calls(), mode)
    assert key.read - before == 3
    assert before <= 2
    assert telemetry.failures()["count"] == 1
    causes = [one.attributes.get("together.auth.cause") for one in telemetry.spans]
    assert causes[-1] == "rejected"
