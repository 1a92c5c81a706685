"""Measured works: calls of the SDK on an in-process transport, so that only CPU time counts.

Each work is a context manager that takes a number of repetitions and returns a function that runs
them. Setup, such as opening a stream, happens outside that function.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import together
from opentelemetry.instrumentation.utils import suppress_instrumentation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager

    Run = Callable[[], object]
    Work = Callable[[int], AbstractContextManager[Run]]

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
BASE_URL = "https://api.together.xyz/v1"
KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
WRONG_KEY = KEY[:-3] + "xyz"
SMALL, LARGE = 1_000, 1_000_000
"""Size of a prompt and of its response, in bytes."""
CHUNKS = 64

CHUNK = {
    "id": "gen-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": MODEL,
    "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
}
CLIENTS = ("httpx", "openai", "requests")
"""Other clients that send the same request."""
STREAM = b"".join(b"data: " + json.dumps(CHUNK).encode() + b"\n\n" for _ in range(CHUNKS))
REFUSAL = {
    "error": {
        "message": "Invalid API key provided.",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
}


def messages(size: int) -> list[Any]:
    """Return messages with a prompt of ``size`` bytes."""
    return [{"role": "user", "content": "x" * size}]


def answer(size: int) -> bytes:
    """Return the body of a response whose text has ``size`` bytes."""
    message = {"role": "assistant", "content": "x" * size}
    body = {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return json.dumps(body).encode()


ANSWER, LARGE_ANSWER = answer(2), answer(LARGE)


def transport(request: httpx.Request) -> httpx.Response:
    """Respond as Together does: with a body, a stream, or a refusal of any key but `KEY`."""
    headers = {"content-type": "application/json", "x-request-id": "req-1"}
    if request.headers["authorization"] != f"Bearer {KEY}":
        return httpx.Response(401, json=REFUSAL, headers=headers)
    if len(request.content) > LARGE:
        return httpx.Response(200, content=LARGE_ANSWER, headers=headers)
    if b'"stream":true' in request.content.replace(b" ", b""):
        headers["content-type"] = "text/event-stream"
        return httpx.Response(200, content=STREAM + b"data: [DONE]\n\n", headers=headers)
    return httpx.Response(200, content=ANSWER, headers=headers)


def as_it_is(client: Any) -> Any:
    """Return a client unchanged."""
    return client


class Workload:
    """Clients and works by name; ``prepare`` is for the floor's wrapper."""

    def __init__(self, prepare: Callable[[Any], Any] = as_it_is) -> None:
        self._http = httpx.Client(transport=httpx.MockTransport(transport))
        self._prepare = prepare
        self._client = prepare(self._make())
        self._refused = prepare(self._make(WRONG_KEY))
        self._async_client = prepare(
            together.AsyncTogether(
                api_key=KEY,
                base_url=BASE_URL,
                http_client=httpx.AsyncClient(transport=httpx.MockTransport(transport)),
                max_retries=0,
            )
        )
        self._open: list[Any] = []
        self._others: dict[str, Any] = {}
        self.works: dict[str, Work] = {
            "call": self.call,
            "suppressed": self.suppressed,
            "small prompt": lambda times: self.prompt(times, SMALL),
            "large prompt": lambda times: self.prompt(times, LARGE),
            "refused": self.refused,
            "constructor": self.constructor,
            "chunk": self.chunk,
            "async chunk": self.async_chunk,
            **{name: partial(self.by, name) for name in CLIENTS},
        }

    def _make(self, key: str = KEY) -> together.Together:
        return together.Together(
            api_key=key, base_url=BASE_URL, http_client=self._http, max_retries=0
        )

    @contextmanager
    def call(self, times: int) -> Iterator[Run]:
        """Make successful calls."""
        with self.prompt(times, len("Hello")) as run:
            yield run

    @contextmanager
    def prompt(self, times: int, size: int) -> Iterator[Run]:
        """Make calls with a prompt of ``size`` bytes; a large one gets a large response."""
        ask, prompt = self._client.chat.completions.create, messages(size)

        def run() -> None:
            for _ in range(times):
                ask(model=MODEL, messages=prompt)

        yield run

    @contextmanager
    def by(self, name: str, times: int) -> Iterator[Run]:
        """Send requests with another client."""
        if name not in self._others:
            from clients import as_client  # noqa: PLC0415 - its libraries may not be installed

            self._others[name] = self._prepare(as_client(name))
        ask = self._others[name].chat.completions.create

        def run() -> None:
            for _ in range(times):
                ask()

        yield run

    @contextmanager
    def suppressed(self, times: int) -> Iterator[Run]:
        """Make calls while instrumentation is suppressed."""
        with suppress_instrumentation(), self.call(times) as run:
            yield run

    @contextmanager
    def refused(self, times: int) -> Iterator[Run]:
        """Make calls whose key is refused."""
        ask, prompt = self._refused.chat.completions.create, messages(len("Hello"))

        def run() -> None:
            for _ in range(times):
                try:
                    ask(model=MODEL, messages=prompt)
                except together.AuthenticationError:
                    continue
                raise RuntimeError("a wrong key was taken")

        yield run

    @contextmanager
    def constructor(self, times: int) -> Iterator[Run]:
        """Create clients with a key that is already known."""

        def run() -> None:
            for _ in range(times):
                self._make()

        yield run

    @contextmanager
    def chunk(self, times: int) -> Iterator[Run]:
        """Read chunks of an open stream after the first one."""
        stream = self._stream()
        iterator = iter(stream)
        next(iterator)

        def run() -> None:
            for _ in itertools.islice(iterator, times):
                pass

        yield run
        stream.close()

    @contextmanager
    def async_chunk(self, times: int) -> Iterator[Run]:
        """Read chunks of an open async stream after the first one."""

        async def begin() -> tuple[Any, AsyncIterator[Any]]:
            create = self._async_client.chat.completions.create
            stream = await create(model=MODEL, messages=messages(5), stream=True)
            iterator = aiter(stream)
            await anext(iterator)
            return stream, iterator

        async def read() -> None:
            left = times
            async for _ in iterator:
                left -= 1
                if not left:
                    break

        with closing(asyncio.new_event_loop()) as loop:
            stream, iterator = loop.run_until_complete(begin())
            yield lambda: loop.run_until_complete(read())
            close = getattr(stream, "aclose", None) or stream.close
            loop.run_until_complete(close())
            loop.run_until_complete(loop.shutdown_asyncgens())

    def open_streams(self, number: int) -> None:
        """Open ``number`` streams and leave each after its first chunk."""
        for _ in range(number):
            stream = self._stream()
            next(iter(stream))
            self._open.append(stream)

    def _stream(self) -> Any:
        create = self._client.chat.completions.create
        return create(model=MODEL, messages=messages(5), stream=True)


def stream_from_memory() -> None:
    """Patch the SDK's streams to yield already decoded chunks for ever.

    Decoding a chunk takes the SDK a hundred times as long as the overhead to be measured, a fraction
    of a microsecond. The SDK still creates, iterates and closes the streams.
    """
    create = Workload()._client.chat.completions.create  # noqa: SLF001 - a class of this module
    chunks = list(create(model=MODEL, messages=messages(5), stream=True))

    def decoded(stream: together.Stream[Any]) -> Iterator[Any]:
        try:
            yield from itertools.cycle(chunks)
        finally:
            stream.response.close()

    async def async_decoded(stream: together.AsyncStream[Any]) -> AsyncIterator[Any]:
        try:
            for chunk in itertools.cycle(chunks):
                yield chunk
        finally:
            await stream.response.aclose()

    for kind, made in ((together.Stream, decoded), (together.AsyncStream, async_decoded)):
        setattr(kind, "__stream__", made)  # noqa: B010 - type checkers reject the assignment
