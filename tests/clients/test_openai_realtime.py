"""Websockets of the openai client, and of what it opens them with: each handshake is a call."""

import asyncio
import contextlib
import sys
import traceback
from urllib.parse import urlsplit

import openai
import pytest
import websockets
from reaching import ELSEWHERE, TOGETHER
from realtime_server import RealtimeServer
from reported import calls, events, only_failure
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from together_otel import uninstrument
from together_otel.testing import behaviours
from together_otel.testing.keys import MadeUpKeys

MODEL = "openai/whisper-large-v3"
KEYS = MadeUpKeys()
OTHER, FOREIGN = KEYS.together(), KEYS.other_provider()
RELEASE = tuple(int(part) for part in openai.__version__.split(".")[:2])
WEBSOCKETS = int(websockets.__version__.partition(".")[0])
"""Since 17, the key is not sent on to another host."""
SINCE = {"realtime": (1, 107), "beta.realtime": (1, 66), "responses": (2, 24)}
PLACES = [place for place, release in SINCE.items() if release <= RELEASE]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not PLACES, reason="older releases open none"),
]


@pytest.fixture
def realtime(key):
    with RealtimeServer(keys=[key]) as running:
        yield running


def at(server, host=TOGETHER):
    return f"ws://{host}:{urlsplit(server.url).port}/v1"


def connected(lab, url, key, place="realtime", **options):
    """Open a websocket by a client, and leave it."""
    resource = lab.client(api_key=key, base_url=f"http{url[2:]}", websocket_base_url=url)
    for name in place.split("."):
        resource = getattr(resource, name)
    options |= {} if place == "responses" else {"model": MODEL}

    def opened():
        with resource.connect(**options):
            pass

    async def opened_async():
        async with resource.connect(**options):
            pass

    lab.run(opened_async if lab.is_async else opened)


@pytest.mark.parametrize("place", PLACES)
def test_accepted(lab, realtime, telemetry, place):
    connected(lab, at(realtime), lab.key, place)
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert attributes["together.client.library"] == "openai"
    assert attributes["http.response.status_code"] == 101
    assert attributes["server.address"] == TOGETHER
    if place != "responses":
        assert attributes["gen_ai.operation.name"] == "realtime.connect"
        assert attributes["gen_ai.request.model"] == MODEL
    assert telemetry.counter("together.client.requests") == 1
    assert telemetry.counter("together.client.key.last_accepted.timestamp") > 0
    assert telemetry.counter("together.client.telemetry.errors") == 0


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("sent", "behaviour", "cause"),
    [
        (OTHER, behaviours.usual(), "rejected"),
        (OTHER, behaviours.echo_key(), "rejected"),
        (OTHER, behaviours.forbidden_key(), "rejected"),
        (OTHER, behaviours.lose_key(), "header_lost"),
        (OTHER, behaviours.refuse("html"), "wrong_endpoint"),
        (FOREIGN, behaviours.usual(), "wrong_provider"),
        (f'"{OTHER}"', behaviours.usual(), "malformed"),
        (f"{OTHER}\n", behaviours.usual(), "malformed"),
        (f"{OTHER[:-1]}é", behaviours.usual(), "malformed"),
    ],
    ids=["refused", "echo", "403", "lost", "page", "OpenAI's", "quotes", "newline", "accent"],
)
def test_refused(lab, keys, realtime, telemetry, place, sent, behaviour, cause):
    """One count, one event, one span; the application gets what it gets without us."""
    realtime.always(behaviour)

    def raised():
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of websockets
            connected(lab, at(realtime), sent, place)
        return type(caught.value), str(caught.value)

    beside = raised()
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == cause
    assert event["together.client.library"] == "openai"
    assert KEYS.shown_in({"telemetry": telemetry.everything()}) == []
    uninstrument()
    assert raised() == beside


def test_a_header_in_place_of_the_key(lab, keys, realtime, telemetry):
    with pytest.raises(Exception, match="401"):
        connected(lab, at(realtime), lab.key, extra_headers={"Authorization": f"Bearer {OTHER}"})
    assert only_failure(telemetry, keys)["together.auth.cause"] == "rejected"


@pytest.mark.parametrize(("behaviour", "outcome"), [(behaviours.rate_limited(), "rate_limited")])
def test_refused_for_another_reason(lab, realtime, telemetry, behaviour, outcome):
    realtime.always(behaviour)
    with pytest.raises(Exception, match="HTTP"):
        connected(lab, at(realtime), lab.key)
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert events(telemetry) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="3.10 keeps a frame of ours")
@pytest.mark.parametrize("sent", [OTHER, f"{OTHER}\n"], ids=["refused", "newline"])
def test_another_host(lab, realtime, telemetry, sent):
    """Cannot tell: class, text and every frame are the same."""

    def seen():
        try:
            connected(lab, at(realtime, ELSEWHERE), sent)
        except Exception as exc:  # noqa: BLE001 - whichever it is
            frames = [one.name for one in traceback.extract_tb(exc.__traceback__)]
            return type(exc), str(exc), frames
        return None

    beside = seen()
    assert telemetry.spans() == []
    assert events(telemetry) == []
    uninstrument()
    assert seen() == beside
    assert beside is not None


def test_without_a_client(realtime, lab, telemetry):
    """An application that opens a websocket itself."""
    url = f"{at(realtime)}/realtime?model={MODEL}"

    async def opened_async(headers):
        async with connect_async(url, additional_headers=headers):
            pass

    def opened(headers):
        if lab.is_async:
            asyncio.run(opened_async(headers))
        else:
            with connect(url, additional_headers=headers):
                pass

    opened({"authorization": f"Bearer {lab.key}"})
    for headers in (None, [("Authorization", OTHER)], {"Authorization": f"Bearer {OTHER}"}):
        with pytest.raises(Exception, match="401"):
            opened(headers)
    found = calls(telemetry)
    assert [one.get("together.auth.cause") for one in found] == [
        *(None, "missing", "malformed", "rejected")
    ]
    assert {one["together.client.library"] for one in found} == {"websockets"}
    assert {one["gen_ai.request.model"] for one in found} == {MODEL}


async def opened(url, key, **options):
    async with connect_async(url, additional_headers={"Authorization": f"Bearer {key}"}, **options):
        pass


@pytest.mark.parametrize(
    ("host", "sent", "outcome", "cause"),
    [
        (TOGETHER, "{key}", "success", None),
        (TOGETHER, OTHER, "auth_failure", "rejected"),
        (ELSEWHERE, OTHER, "auth_failure", "redirected" if WEBSOCKETS >= 17 else "rejected"),
    ],
    ids=["accepted", "refused", "refused elsewhere"],
)
async def test_a_redirected_handshake(realtime, key, telemetry, host, sent, outcome, cause):
    """It is one call, which the last server answers."""
    url = f"{at(realtime)}/realtime?model={MODEL}"
    realtime.script(behaviours.redirect(f"{at(realtime, host)}/realtime?model={MODEL}"))
    with contextlib.suppress(InvalidStatus):
        await opened(url, sent.format(key=key))
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert attributes.get("together.auth.cause") == cause
    assert attributes["server.address"] == host
    assert telemetry.counter("together.client.requests") == 1
    assert len(realtime.requests) == 2


async def test_no_server(realtime, telemetry):
    url = f"{at(realtime)}/realtime"
    realtime.close()
    with pytest.raises(OSError, match="Connect"):
        await opened(url, OTHER)
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == "connection_error"


async def test_a_handshake_that_takes_too_long(realtime, key, telemetry):
    realtime.always(behaviours.slow(30))
    with pytest.raises(TimeoutError):
        await opened(f"{at(realtime)}/realtime", key, open_timeout=0.05)
    (attributes,) = calls(telemetry)
    assert attributes["together.request.outcome"] == "timeout"
