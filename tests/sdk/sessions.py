"""What the tests of realtime sessions share: fixtures, and how to look at such a call."""

import asyncio
import contextlib

import pytest
from generation import RELEASE
from measured import durations
from realtime_server import RealtimeServer
from reported import outcomes
from steps import tell, within

MODEL = "openai/whisper-large-v3"
NO_REALTIME = "realtime came with 2.42"

AS_THE_SDK_CONNECTS = pytest.mark.filterwarnings(
    "ignore:connect\\(\\) must be used:DeprecationWarning"
)
"""The SDK opens its sync websocket as websockets deprecated it in 17.1."""


@pytest.fixture
def realtime(key):
    """A realtime endpoint that accepts one key."""
    with RealtimeServer(keys=[key]) as running:
        yield running


@pytest.fixture
def manager(sdk, key, realtime, telemetry):  # noqa: ARG001 - on
    """What `client.beta.realtime.connect()` returns."""
    client = sdk.client(api_key=key, base_url=realtime.base_url_for(RELEASE))
    return client.beta.realtime.connect(model=MODEL)


@pytest.fixture
def transcribe(sdk, key, realtime, telemetry):  # noqa: ARG001 - on
    """Make transcription sessions that reconnect without delay; in the end they are closed."""
    made = []

    def session(*, key=key, url="", **options):
        client = sdk.client(api_key=key, base_url=url or realtime.base_url_for(RELEASE))
        options = {"model": MODEL, "reconnect": {"backoff_initial": 0.0}, **options}
        made.append(client.beta.realtime.transcription(**options))
        return made[-1]

    yield session
    for one in made:
        sdk.run(one.close)


RECONNECTED = ["reconnecting", "reconnected"]
"""The names of the events that tell of a reconnect which was needed, and made at once."""


def names(events):
    """Return the names of a session's events."""
    return [event.type for event in events]


def failure(sdk, session):
    """Read a session until it fails; return what the reader gets, which is the SDK's very own."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - by what happened
        sdk.read(session)
    own = session if sdk.is_async else session._session
    assert caught.value is own._failure
    # A session that fails closes its socket in a task, for which its `close()` does not wait.
    sdk.run(others_done if sdk.is_async else lambda: session._call(others_done()))
    return caught.value


async def others_done():
    """Wait until all other tasks of this loop are done."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=10)


def leave(sdk, session, *, raises):
    """Use a session in `with` and leave, by an exception of the caller's if it raises."""
    mine = LookupError("the caller's own")

    async def use():
        async with within(session):
            if raises:
                raise mine

    with pytest.raises(LookupError) if raises else contextlib.nullcontext() as caught:
        tell(sdk, use)
    assert caught is None or caught.value is mine


def calls(telemetry):
    """Return the CLIENT spans that have ended."""
    return [span for span in telemetry.spans() if span["kind"] == "CLIENT"]


def only_call(telemetry, outcome):
    """Return the attributes of the one CLIENT span, after making sure that all signals agree."""
    assert outcomes(telemetry) == [outcome]
    (span,) = calls(telemetry)
    attributes = span["attributes"]
    operation = attributes["gen_ai.operation.name"]
    assert span["name"] == f"{operation} {MODEL}"
    assert span["status"] == ("UNSET" if outcome in ("success", "abandoned") else "ERROR")
    counted = {"gen_ai.operation.name": operation, "together.request.outcome": outcome}
    assert telemetry.counter("together.client.requests") == 1
    assert telemetry.counter("together.client.requests", counted) == 1
    failures = 1 if outcome == "auth_failure" else 0
    assert telemetry.counter("together.client.auth.failures") == failures
    assert ("together.auth.cause" in attributes) == bool(failures)
    resends = attributes.get("http.request.resend_count", 0)
    assert telemetry.counter("together.client.retries") == resends
    (duration,) = durations(telemetry)
    assert duration["count"] == 1
    assert duration["attributes"].get("error.type") == attributes.get("error.type")
    return attributes
