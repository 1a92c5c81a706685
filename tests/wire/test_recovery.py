"""A refused request that is sent again with another key, where it can be sent again."""

import io
from contextlib import nullcontext
from itertools import count

import aiohttp
import httpx
import pytest
import requests
from calling import leaks
from dirty_equals import IsPartialDict
from test_requests import put_by_aiohttp, put_by_httpx, put_by_requests

from together_otel import recovery
from together_otel.guard import Guard

CHAT = {"model": "a/model", "messages": [{"role": "user", "content": "Hello"}]}
RECOVERIES = "together.client.key.recoveries"
FAILURES = "together.client.auth.failures"
_numbers = count(100)


@pytest.fixture
def old():
    """Return a key that is refused, another one in each test: what replaced it is remembered."""
    return "tgp_" + "v1_" + "a1C2" * 10 + str(next(_numbers))


def sent(server):
    return [one.key for one in server.requests]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_request_is_sent_again(library, base, key, old, server, telemetry, *, stream):
    """The application gets the second answer; the next request has the new key at once."""
    how, url = "lines" if stream else "whole", f"{base}/chat/completions"
    headers = {"Authorization": f"Bearer {old}"}
    with recovery.use(lambda: key):
        got = library.ask(url, {**CHAT, "stream": stream}, how=how, headers=headers)
        assert got.status == 200
        assert ("[DONE]" in got.text) == stream
        library.ask(url, CHAT, headers=headers)
    assert sent(server) == [old, key, key]
    assert telemetry.counter(FAILURES) == 1
    assert telemetry.counter(RECOVERIES, {"together.recovery.outcome": "recovered"}) == 1
    outcomes = [one["attributes"]["together.request.outcome"] for one in telemetry.spans()]
    assert outcomes == ["auth_failure", "success", "success"]
    (log,) = [one for one in telemetry.logs() if one["event_name"] == "together.client.auth_failed"]
    assert log["attributes"] == IsPartialDict({"together.recovery.outcome": "recovered"})
    assert leaks(telemetry.everything(), old) == leaks(telemetry.everything(), key) == []
    assert headers == {"Authorization": f"Bearer {old}"}


@pytest.mark.parametrize("put", [put_by_httpx, put_by_requests, put_by_aiohttp])
def test_a_key_that_the_librarys_own_auth_puts_in(put, base, key, old, server, telemetry):
    """It would do so again: the request is not sent again."""
    with recovery.use(lambda: key):
        put(f"{base}/chat/completions", f"Bearer {old}")
    assert sent(server) == [old]
    assert telemetry.value(FAILURES, together_auth_cause="rejected") == 1
    assert telemetry.counter(FAILURES) == 1


NO_KEYS = [{}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}]


@pytest.mark.parametrize("headers", NO_KEYS, ids=str)
def test_a_key_for_no_key_is_of_one_request(library, base, key, server, telemetry, headers):
    """Another user's request without a key does not get it, with other sources or without any."""
    another = key[::-1]
    server.accept(another)

    def ask():
        return library.ask(f"{base}/chat/completions", CHAT, headers=headers).status

    with recovery.use(lambda: key):
        assert ask() == 200
    assert ask() != 200  # httpx does not even send an empty one
    with recovery.use(lambda: another):
        assert ask() == 200
    assert [one.key for one in server.requests if one.key in (key, another)] == [key, another]
    assert telemetry.counter(FAILURES) == 3


@pytest.mark.parametrize("headers", NO_KEYS, ids=str)
def test_requests_without_a_key_ask_once(base, key, server, telemetry, headers):
    """Those of one source share its answer."""
    asked = []
    with recovery.use(lambda: asked.append(1) or key):
        for _ in range(2):
            assert httpx.post(f"{base}/models", headers=headers).status_code == 200
    assert (len(asked), sent(server).count(key)) == (1, 2)
    assert telemetry.value(RECOVERIES, together_recovery_outcome="recovered") == 1


def test_a_second_refusal_is_what_the_application_gets(library, base, old, server, telemetry):
    with recovery.use(lambda: old.replace("C", "D")):
        got = library.ask(
            f"{base}/chat/completions", CHAT, headers={"Authorization": f"Bearer {old}"}
        )
    assert (got.status, len(server.requests)) == (401, 2)
    assert telemetry.counter(FAILURES) == 2


def test_a_body_that_cannot_be_sent_again(library, base, key, old, server, telemetry):
    """A generator is read once: the refusal is the application's."""

    def pieces():
        yield b"{}"

    async def async_pieces():
        yield b"{}"

    body = async_pieces() if library.is_async else pieces()
    name = "content" if library.name.startswith("httpx") else "data"
    options = {name: body, "json": None, "headers": {"Authorization": f"Bearer {old}"}}
    with recovery.use(lambda: key):
        got = library.ask(f"{base}/chat/completions", **options)
    assert (got.status, len(server.requests)) == (401, 1)
    events = [one["event_name"] for one in telemetry.logs()]
    assert "together.client.request_not_repeated" in events


@pytest.mark.parametrize("has_recovery", [False, True])
async def test_headers_that_are_read_once(base, key, old, server, telemetry, *, has_recovery):
    """The library reads them, we do not; without them the request cannot be sent again."""

    def headers(bearer):
        return zip(["Authorization"], [f"Bearer {bearer}"], strict=True)

    with recovery.use(lambda: key) if has_recovery else nullcontext():
        async with aiohttp.ClientSession() as session:
            for bearer in (key, old):
                async with session.post(f"{base}/chat/completions", headers=headers(bearer)):
                    pass
    assert sent(server) == [key, old]
    assert telemetry.counter(FAILURES) == 1


def test_a_file_is_sent_again_from_where_it_stood(library, base, key, old, server, telemetry):
    name = "content" if library.name.startswith("httpx") else "data"
    if library.name.startswith("httpx") and library.is_async:
        pytest.skip("it takes no files")
    options = {
        name: io.BytesIO(b'{"model": "a"}'),
        "json": None,
        "headers": {"Authorization": f"Bearer {old}", "Content-Type": "application/json"},
    }
    with recovery.use(lambda: key):
        got = library.ask(f"{base}/chat/completions", **options)
    assert got.status == 200
    assert [one.fields for one in server.requests] == [{"model": "a"}] * 2
    assert telemetry.counter(FAILURES) == 1


def test_a_first_answer_that_cannot_be_closed(base, key, old, server, telemetry, monkeypatch):
    """The application did not ask for it to be closed, and gets the second answer."""

    def close(_response):
        raise OSError("the connection is gone")

    url, headers = f"{base}/chat/completions", {"Authorization": f"Bearer {old}"}
    monkeypatch.setattr(Guard, "raising", False)
    with requests.Session() as session, recovery.use(lambda: key):
        with monkeypatch.context() as patch:
            patch.setattr(requests.Response, "close", close)
            answer = session.post(url, json=CHAT, headers=headers, stream=True)
        assert answer.status_code == 200
        assert answer.json()["choices"]
    assert sent(server) == [old, key]
    assert telemetry.counter("together.client.telemetry.errors") == 1
