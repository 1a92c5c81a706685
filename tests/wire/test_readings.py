"""A body may be read in many ways: each ends the call once, with what the answer says."""

import asyncio
import gzip
import io
import json
import re
import shutil
import zlib
from functools import partial
from unittest.mock import Mock

import aiohttp
import httpx
import pytest
import requests
from test_requests import CHAT, REQUESTS, STREAM, bearer, only_span
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from together_otel import TogetherInstrumentor
from together_otel.calls.iterators import watch
from together_otel.testing import behaviours


async def until_empty(read):
    while piece := await read():
        yield piece


async def first_of(pairs):
    async for piece, _ in pairs:
        yield piece


async def exactly(content):
    await content.wait_eof()
    yield await content.readexactly(content.total_bytes)


async def without_waiting(content):
    await content.wait_eof()
    yield content.read_nowait()


async def nothing_first(content):
    yield content.read_nowait(0)
    yield await content.read(0)
    async for piece in content.iter_any():
        yield piece


BY_AIOHTTP = {
    "iter_chunked": lambda content: content.iter_chunked(7),
    "iter_any": lambda content: content.iter_any(),
    "iter_chunks": lambda content: first_of(content.iter_chunks()),
    "read": lambda content: until_empty(partial(content.read, 7)),
    "readany": lambda content: until_empty(content.readany),
    "readuntil": lambda content: until_empty(partial(content.readuntil, b"}")),
    "readexactly": exactly,
    "read_nowait": without_waiting,
    "nothing first": nothing_first,
}
BY_URLLIB3 = {
    "read": lambda raw: [raw.read()],
    "read in pieces": lambda raw: iter(partial(raw.read, 7), b""),
    "iterator": iter,
}


def copied(raw):
    into = io.BytesIO()
    shutil.copyfileobj(raw, into)
    return [into.getvalue()]


FURTHER_BY_URLLIB3 = {
    "data": lambda raw: [raw.data],
    "readline": lambda raw: iter(raw.readline, b""),
    "readinto": io.BufferedReader,
    "copied": copied,
    "stream": lambda raw: raw.stream(7, decode_content=False),
    "as text": lambda raw: (line.encode() for line in io.TextIOWrapper(raw)),
}


def assert_told(telemetry, body):
    attributes = only_span(telemetry)["attributes"]
    assert attributes["gen_ai.response.id"] == json.loads(body)["id"]
    assert attributes["together.request.outcome"] == "success"
    assert telemetry.value(REQUESTS, together_request_outcome="success") == 1


@pytest.mark.parametrize("reading", BY_AIOHTTP.values(), ids=BY_AIOHTTP)
async def test_by_aiohttp(reading, base, key, telemetry):
    async with (
        aiohttp.ClientSession(headers=bearer(key)) as session,
        session.post(f"{base}/chat/completions", json=CHAT) as response,
    ):
        body = b"".join([piece async for piece in reading(response.content)])
        assert_told(telemetry, body)


@pytest.mark.parametrize("reading", BY_URLLIB3.values(), ids=BY_URLLIB3)
def test_by_urllib3(reading, base, key, telemetry):
    """What is beneath a response of requests."""
    url = f"{base}/chat/completions"
    with requests.post(url, json=CHAT, headers=bearer(key), stream=True, timeout=10) as response:
        body = b"".join(reading(response.raw))
        assert_told(telemetry, body)


@pytest.mark.parametrize(
    "reading",
    [*BY_URLLIB3.values(), *FURTHER_BY_URLLIB3.values()],
    ids=[*BY_URLLIB3, *FURTHER_BY_URLLIB3],
)
def test_a_stream_by_urllib3(reading, base, key, telemetry):
    """The application reads the same pieces as alone, in each of the ways that there are."""

    def read():
        with requests.post(url, json=STREAM, headers=bearer(key), stream=True, timeout=10) as got:
            got.raw.auto_close = False  # else it takes itself for closed at its end
            pieces = list(reading(got.raw))
            text = re.sub(rb"gen-\d", b"", b"".join(pieces))
            return type(got.raw).__qualname__, text, [len(piece) for piece in pieces]

    url = f"{base}/chat/completions"
    beside = read()
    attributes = only_span(telemetry)["attributes"]
    assert attributes["gen_ai.usage.output_tokens"] == 6
    assert attributes["together.request.outcome"] == "success"
    assert telemetry.counter(REQUESTS) == 1
    TogetherInstrumentor().uninstrument()
    assert beside == read()


class InMemory(requests.adapters.BaseAdapter):
    """Answers with a raw body of another kind than urllib3's."""

    def __init__(self, make):
        super().__init__()
        self._make = make

    def send(self, request, **_options):
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        response.headers["Content-Type"] = "application/json"
        response.raw = self._make(b'{"id": "a"}')
        return response

    def close(self):
        """Close nothing."""


class OnlyRead:
    """What can be read, and no more."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def read(self, size):
        return self._content.read(size)


@pytest.mark.parametrize("make", [io.BytesIO, OnlyRead])
@pytest.mark.parametrize("stream", [False, True])
def test_what_an_adapter_makes(make, stream, base, key, telemetry):
    """Adapters of tests and of other transports have bodies that are not urllib3's."""
    with requests.Session() as session:
        session.mount("http://", InMemory(make))
        url = f"{base}/chat/completions"
        response = session.post(url, json=CHAT, headers=bearer(key), stream=stream)
        assert type(response.raw).__name__ == make.__name__
        assert response.json() == {"id": "a"}
    assert only_span(telemetry)["attributes"]["together.request.outcome"] == "success"


class OfUrllib3V1(HTTPResponse):
    """Reads as urllib3 1.x what is compressed: the first piece, its header, is decoded to nothing."""

    header = b"any"

    def read(self, amt=None, *args, **kwargs):
        if self.header:
            self.header = b""
            return b""
        return super().read(amt, *args, **kwargs)


def test_an_empty_piece_before_the_end(base, key, telemetry):
    def make(content):
        return OfUrllib3V1(io.BytesIO(content), preload_content=False)

    with requests.Session() as session:
        session.mount("http://", InMemory(make))
        url = f"{base}/chat/completions"
        response = session.post(url, json=CHAT, headers=bearer(key), stream=True)
        assert_told(telemetry, b"".join(response.iter_content()))


def as_it_came_by_httpx(url, headers):
    with httpx.stream("POST", url, json=STREAM, headers=headers) as response:
        return b"".join(response.iter_raw())


def as_it_came_by_requests(url, headers):
    with requests.post(url, json=STREAM, headers=headers, stream=True, timeout=10) as response:
        return b"".join(response.raw.stream(16, decode_content=False))


def as_it_came_by_aiohttp(url, headers):
    async def read():
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(url, json=STREAM, headers=headers) as response,
        ):
            return b"".join([piece async for piece in response.content.iter_any()])

    return asyncio.run(read())


@pytest.mark.parametrize(
    "read", [as_it_came_by_httpx, as_it_came_by_requests, as_it_came_by_aiohttp]
)
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda body: b"".join(gzip.compress(part) for part in (body[:9], body[9:]))),
        ("gzip", bytes),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
        ("deflate", bytes),
    ],
    ids=["gzip", "gzip in members", "not gzip", "deflate", "bare deflate", "not deflate"],
)
@pytest.mark.parametrize("status", [200, 403])
def test_a_refusal_that_is_read_as_it_came(
    base, key, server, telemetry, read, encoding, packed, status
):
    """What is compressed says the same, and so does what only claims to be."""
    error = {"error": {"message": behaviours.INVALID_KEY, "code": "invalid_api_key"}}
    kind, begins = {200: ("text/event-stream", "data: "), 403: ("application/json", "")}[status]
    body = packed(f"{begins}{json.dumps(error)}\n\n".encode())
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    server.always(behaviours.custom(status, body, headers))
    assert read(f"{base}/chat/completions", bearer(key)) == body
    attributes = only_span(telemetry)["attributes"]
    assert attributes["together.auth.cause"] == "rejected"


@pytest.mark.parametrize("reading", BY_URLLIB3.values(), ids=BY_URLLIB3)
def test_a_body_that_is_cut_by_urllib3(reading, base, key, server, telemetry):
    server.always(behaviours.cut_stream())
    url = f"{base}/chat/completions"
    with requests.post(url, json=STREAM, headers=bearer(key), stream=True, timeout=10) as response:
        with pytest.raises(HTTPError):
            list(reading(response.raw))
        assert only_span(telemetry)["attributes"]["together.request.outcome"] == "connection_error"


async def test_a_body_that_the_event_loop_closes_first():
    """A loop that ends closes all at once; httpx2 then closes what it read from itself."""

    async def pieces():
        yield b"a"

    beneath, watcher = pieces(), Mock(got=Mock(return_value=None))
    watched = watch(beneath, watcher)
    assert await anext(watched) == b"a"
    await beneath.aclose()
    await watched.aclose()
    assert watcher.got.call_count == 1
    assert watcher.abandoned.call_count == 1
