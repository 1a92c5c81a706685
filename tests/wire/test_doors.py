"""Every way to send a request by an HTTP library is seen, and once."""

import asyncio
import warnings
from contextlib import suppress
from unittest.mock import Mock

import pytest
from calling import leaks
from frames import frames_of_ours, shown_by
from libraries import PACKAGES
from test_requests import CHAT, FAILURES, REQUESTS, bearer, only_span
from wire_cases import OTHER

from together_otel import TogetherInstrumentor, recovery
from together_otel.testing import behaviours


def prepared(url, headers, **options):
    """By the session that prepares it."""
    import requests

    with requests.Session() as session:
        request = requests.Request("POST", url, headers=headers, json=CHAT)
        return session.send(session.prepare_request(request), **options).status_code


def prepared_alone(url, headers):
    """Without a session; sent by keyword."""
    import requests

    made = requests.Request("POST", url, headers=headers, json=CHAT).prepare()
    with requests.Session() as session:
        return session.send(request=made, timeout=10).status_code


def prepared_in_steps(url, headers):
    import requests

    made = requests.PreparedRequest()
    made.prepare(method="POST", url=url.encode(), headers=headers, json=CHAT)
    with requests.Session() as session:
        return session.send(made).status_code


def subclassed_session(url, headers):
    import requests

    class Logged(requests.Session):
        def request(self, *args, **kwargs):
            return super().request(*args, **kwargs)

        def send(self, request, **kwargs):
            return super().send(request, **kwargs)

    with Logged() as session:
        session.headers.update(headers)
        return session.request("POST", url, json=CHAT).status_code


def requests_function(url, headers):
    import requests

    return requests.request("POST", url, json=CHAT, headers=headers, timeout=10).status_code


def httpx_function(url, headers):
    import httpx

    return httpx.post(url, json=CHAT, headers=headers).status_code


def httpx_stream(url, headers):
    import httpx

    with httpx.stream("POST", url, json=CHAT, headers=headers) as response:
        response.read()
        return response.status_code


def httpx_built(url, headers):
    """By a client of a class and a transport of the application's own."""
    import httpx

    class Client(httpx.Client):
        def send(self, request, **kwargs):
            return super().send(request, **kwargs)

    with Client(transport=httpx.HTTPTransport(retries=1)) as client:
        made = client.build_request("POST", url, json=CHAT, headers=headers)
        return client.send(made).status_code


def httpx_base_url(url, headers):
    import httpx

    base, _, path = url.partition("/chat")
    with httpx.Client(base_url=base) as client:
        return client.post(f"chat{path}", json=CHAT, headers=headers).status_code


def aiohttp_function(url, headers):
    import aiohttp

    async def ask():
        async with aiohttp.request("POST", url, json=CHAT, headers=headers) as response:
            await response.read()
            return response.status

    return asyncio.run(ask())


def aiohttp_base_url(url, headers):
    import aiohttp

    base, _, path = url.partition("/chat")

    async def ask():
        async with (
            aiohttp.ClientSession(f"{base}/", headers=headers, raise_for_status=False) as session,
            session.post(f"chat{path}", json=CHAT) as response,
        ):
            await response.read()
            return response.status

    return asyncio.run(ask())


def aiohttp_subclass(url, headers):
    import aiohttp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        class Session(aiohttp.ClientSession):
            async def _request(self, *args, **kwargs):
                return await super()._request(*args, **kwargs)

    async def ask():
        async with Session() as session:
            response = await session.post(url, json=CHAT, headers=headers)
            await response.read()
            return response.status

    return asyncio.run(ask())


DOORS = [
    prepared,
    prepared_alone,
    prepared_in_steps,
    subclassed_session,
    requests_function,
    httpx_function,
    httpx_stream,
    httpx_built,
    httpx_base_url,
    aiohttp_function,
    aiohttp_base_url,
    aiohttp_subclass,
]
PREPARED = [prepared, prepared_alone, prepared_in_steps]
every_door = pytest.mark.parametrize(
    "ask",
    [
        one
        for one in DOORS
        if {"aiohttp": "aiohttp", "httpx": "httpx"}.get(one.__name__.partition("_")[0], "requests")
        in PACKAGES
    ],
    ids=lambda one: one.__name__,
)


@every_door
def test_accepted(ask, base, key, telemetry):
    assert ask(f"{base}/chat/completions", bearer(key)) == 200
    span = only_span(telemetry)
    assert span["attributes"]["together.request.outcome"] == "success"
    assert span["name"] == f"chat {CHAT['model']}"
    assert span["attributes"]["gen_ai.usage.output_tokens"] > 0
    assert telemetry.counter(REQUESTS) == 1


@every_door
@pytest.mark.parametrize(
    ("header", "cause"),
    [
        (f"Bearer {OTHER}", "rejected"),
        (f"Bearer {OTHER}\n", "malformed"),
        (f"Bearer {OTHER[:-1]}\u200b", "malformed"),
        (None, "missing"),
    ],
    ids=["refused", "newline", "zero-width space", "none"],
)
def test_failed(ask, base, telemetry, header, cause):
    """Where it cannot even be prepared, too."""
    with suppress(Exception):
        ask(f"{base}/chat/completions", {} if header is None else {"Authorization": header})
    assert only_span(telemetry)["attributes"]["together.auth.cause"] == cause
    assert telemetry.value(FAILURES, together_auth_cause=cause) == 1
    assert telemetry.counter(FAILURES) == telemetry.counter(REQUESTS) == 1
    assert leaks(telemetry.everything(), header or "") == []


@every_door
@pytest.mark.parametrize(
    "end", ["", "\n", "\u200b"], ids=["refused", "newline", "zero-width space"]
)
def test_no_frame_of_ours_shows_a_header(ask, end, base, telemetry):
    """While the library, an application's hook of it or this package logs."""
    with frames_of_ours() as shown, suppress(Exception):
        ask(f"{base}/chat/completions", bearer(OTHER + end))
    assert telemetry.counter(FAILURES) == 1
    assert shown
    assert leaks("\n".join(shown), OTHER) == []


@every_door
@pytest.mark.usefixtures("telemetry")
def test_an_interrupt_shows_no_header(ask, base, monkeypatch):
    """Where it comes while we look at the headers."""
    interrupt = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("together_otel.clients.http_libraries.bearer", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        ask(f"{base}/chat/completions", bearer(OTHER))
    assert leaks("\n".join(shown_by(caught.value)), OTHER) == []


@pytest.mark.parametrize("ask", [*PREPARED, requests_function], ids=lambda one: one.__name__)
def test_redirects_are_one_call(ask, base, key, server, telemetry):
    """Requests sends each by the same function as the first."""
    server.script(
        behaviours.redirect(f"{base}/chat/completions"),
        behaviours.redirect(f"{base}/chat/completions"),
    )
    assert ask(f"{base}/chat/completions", bearer(key)) == 200
    assert len(server.requests) == 3
    assert telemetry.counter(REQUESTS) == 1
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "success"


@pytest.mark.parametrize("ask", PREPARED, ids=lambda one: one.__name__)
def test_recovery(ask, base, key, server, telemetry):
    """A request that is prepared is sent again with another key."""
    old = OTHER[:-5] + f"{PREPARED.index(ask):05}"  # what replaced a key is remembered
    with recovery.use(lambda: key):
        assert ask(f"{base}/chat/completions", bearer(old)) == 200
    assert [one.key for one in server.requests] == [old, key]
    assert telemetry.counter(FAILURES) == 1


def test_a_prepared_stream(base, key, telemetry):
    assert prepared(f"{base}/chat/completions", bearer(key), stream=True) == 200
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "abandoned"


@every_door
@pytest.mark.parametrize("header", ["Bearer a", "Bearer a\n", "Bearer \u200b"])
def test_another_host(ask, elsewhere, telemetry, header):
    """Nothing is emitted, and what is raised is the same."""

    def raised():
        try:
            return ask(f"{elsewhere}/chat/completions", {"Authorization": header})
        except Exception as exc:  # noqa: BLE001 - whichever it is
            return repr(exc)

    beside = raised()
    assert telemetry.spans() == telemetry.logs() == []
    TogetherInstrumentor().uninstrument()
    assert raised() == beside


class Mine(Exception):  # noqa: N818 - not of a library
    """An application's own."""


@pytest.mark.parametrize("status", [401, 429, 200])
def test_what_a_hook_raises_of_a_response(library, base, key, server, telemetry, status):
    """The call is what the server made of it, whatever class the application gives it."""

    def hook(*_args, **_kwargs):
        raise Mine

    async def async_hook(*_args):
        raise Mine

    server.always(
        {
            401: behaviours.refuse("together"),
            429: behaviours.rate_limited(),
            200: behaviours.accept(),
        }[status]
    )
    made = async_hook if library.is_async else hook
    options = {
        "httpx": {"client": {"event_hooks": {"response": [made]}}},
        "requests": {"hooks": {"response": hook}},
        "aiohttp": {"client": {"raise_for_status": made}},
    }[library.name.rstrip("2")]
    got = library.ask(f"{base}/chat/completions", CHAT, headers=bearer(key), **options)
    assert got.raised == "Mine"
    outcomes = {401: "auth_failure", 429: "rate_limited", 200: "client_error"}
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == outcomes[status]
    assert telemetry.counter(FAILURES) == (status == 401)
    assert leaks(telemetry.everything(), key) == []


@every_door
def test_a_failure_passes_at_most_two_frames_of_ours(ask, base, server, telemetry):
    assert telemetry.spans() == []
    server.always(behaviours.drop_connection())
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of the library
        ask(f"{base}/chat/completions", bearer(OTHER))
    ours = [one for one in caught.traceback if "/together_otel/" in str(one.path)]
    assert 0 < len(ours) <= 2
