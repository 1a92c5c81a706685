"""Overhead for requests by other clients: to Together, compared with the floor, and to other hosts.

Run by ``python benchmarks/overhead.py --client NAME``. Requests to Together are measured like the
other works of that benchmark. For other hosts, only this package's replacements of the library's
functions are measured, around functions that do nothing, as the library's own work takes a
hundred times as long and would hide the difference.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import requests
from workload import ANSWER, KEY, MODEL, messages

from together_otel import TogetherInstrumentor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[..., object]

TOGETHER, OTHER = "https://api.together.xyz/v1", "https://api.example.com/v1"
PATH = "/chat/completions"
BODY = {"model": MODEL, "messages": messages(len("Hello"))}
HEADERS = {"Authorization": f"Bearer {KEY}"}
KIND = {"content-type": "application/json", "x-request-id": "req-1"}
EMPTY = 20_000


def as_client(name: str) -> Any:
    """Return an object like the SDK's client whose one method sends a request with a library."""
    create = {"httpx": httpx_ask, "openai": openai_ask, "requests": requests_ask}[name]()
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))


def httpx_ask() -> Ask:
    """Return a function that sends a request with httpx."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=ANSWER, headers=KIND)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return lambda: client.post(TOGETHER + PATH, json=BODY, headers=HEADERS).json()


class _InMemory(requests.adapters.HTTPAdapter):
    def send(self, request: Any, **_: Any) -> Any:  # type: ignore[override]
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        response.headers.update(KIND)
        response.raw = io.BytesIO(ANSWER)
        return response


def requests_ask() -> Ask:
    """Return a function that sends a request with requests."""
    session = requests.Session()
    session.mount("https://", _InMemory())
    session.trust_env = False
    return lambda: session.post(TOGETHER + PATH, json=BODY, headers=HEADERS).json()


def openai_ask() -> Ask:
    """Return a function that sends a request with openai, over a transport of its HTTP library."""
    import openai  # noqa: PLC0415 - may not be installed

    http = sys.modules.get("httpx2", httpx)

    def answer(_request: Any) -> Any:
        return http.Response(200, content=ANSWER, headers=KIND)

    client = openai.OpenAI(
        api_key=KEY,
        base_url=TOGETHER,
        http_client=http.Client(transport=http.MockTransport(answer)),
    )
    return lambda: client.chat.completions.create(**BODY)


def _request_only(self: Any, cast_to: Any, options: Any, **_: Any) -> Any:
    return self._process_response(cast_to=cast_to, options=options, response=None)


async def _request_only_async(self: Any, cast_to: Any, options: Any, **_: Any) -> Any:
    return await self._process_response(cast_to=cast_to, options=options, response=None)


def _openai_others() -> dict[str, Any]:
    import openai  # noqa: PLC0415 - may not be installed

    base = sys.modules["openai._base_client"]
    options = openai._models.FinalRequestOptions.construct(method="post", url=PATH)  # noqa: SLF001 - as the SDK creates it
    kinds = (
        ("openai", openai.OpenAI, base.SyncAPIClient, _request_only, _nothing),
        (
            "openai, async",
            openai.AsyncOpenAI,
            base.AsyncAPIClient,
            _request_only_async,
            _nothing_async,
        ),
    )
    return {
        name: (
            3.0,
            lambda client: _finish(client.request(object, options)),
            partial(make, api_key="none", base_url=OTHER),
            ((owner, "request", request), (owner, "_process_response", nothing)),
        )
        for name, make, owner, request, nothing in kinds
    }


def _nothing(self: Any, *args: Any, **kwargs: Any) -> None:
    """Replace a library's function and do nothing."""


async def _nothing_async(self: Any, *args: Any, **kwargs: Any) -> None:
    """Replace a library's async function and do nothing."""


def _finish(sent: Any) -> None:
    try:
        if sent is not None:  # a coroutine
            sent.send(None)
    except StopIteration:
        return


def _httpx_other(client: Any) -> None:
    client._merge_headers(None)  # noqa: SLF001 - one of the patched functions
    _finish(client.send(_REQUEST, auth=None, follow_redirects=False))


def _requests_other(client: Any) -> None:
    client.request(method="POST", url=OTHER + PATH, data=None, json=BODY, headers=HEADERS)
    # The replaced request() does not call these two.
    _PREPARED.prepare(method="POST", url=OTHER + PATH, headers=HEADERS, json=BODY)
    client.send(_PREPARED, timeout=None, allow_redirects=True)


def _aiohttp_other(client: Any) -> None:
    _finish(client._request("POST", OTHER + PATH, json=BODY, headers=HEADERS))  # noqa: SLF001 - patched


_REQUEST = httpx.Request("POST", OTHER + PATH, json=BODY, headers=HEADERS)
_PREPARED = requests.Request("POST", OTHER + PATH, json=BODY, headers=HEADERS).prepare()
_HTTPX = sys.modules["httpx._client"]
OTHERS = {
    "httpx": (
        1.0,
        _httpx_other,
        partial(object.__new__, httpx.Client),
        ((httpx.Client, "send", _nothing), (_HTTPX.BaseClient, "_merge_headers", _nothing)),
    ),
    "httpx, async": (
        1.0,
        _httpx_other,
        partial(object.__new__, httpx.AsyncClient),
        (
            (httpx.AsyncClient, "send", _nothing_async),
            (_HTTPX.BaseClient, "_merge_headers", _nothing),
        ),
    ),
    "requests": (
        3.0,
        _requests_other,
        partial(object.__new__, requests.Session),
        (
            (requests.Session, "request", _nothing),
            (requests.Session, "send", _nothing),
            (requests.PreparedRequest, "prepare", _nothing),
        ),
    ),
    "aiohttp": (
        3.0,
        _aiohttp_other,
        partial(object.__new__, aiohttp.ClientSession),
        ((aiohttp.ClientSession, "_request", _nothing_async),),
    ),
}
"""Limit in µs, function to measure, function that creates its client, and functions to replace."""


@contextmanager
def _doing_nothing(functions: Any) -> Iterator[None]:
    before = [(owner, name, vars(owner)[name]) for owner, name, _ in functions]
    for owner, name, stand_in in functions:
        setattr(owner, name, stand_in)
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def _fastest(ask: Callable[[Any], None], client: Any) -> float:
    best = float("inf")
    for _ in range(10):
        began = time.thread_time()
        for _ in range(EMPTY // 10):
            ask(client)
        best = min(best, (time.thread_time() - began) / (EMPTY // 10))
    return best * 1e6


def to_another_host(name: str) -> float:
    """Return the time in µs that the replacements add to a request to another host."""
    _, ask, make, functions = OTHERS[name]
    client = make()
    with _doing_nothing(functions):
        bare, ours = [], []
        for _ in range(10):
            bare.append(_fastest(ask, client))
            TogetherInstrumentor().instrument()
            ours.append(_fastest(ask, client))
            TogetherInstrumentor().uninstrument()
    return min(ours) - min(bare)


def show(client: str) -> None:
    """Print the table for requests to other hosts by a client's sync and async variants."""
    if client == "openai":
        OTHERS.update(_openai_others())
    kinds = {"requests": ("requests", "aiohttp")}.get(client, (client,))
    print("\n| | added, µs | at most, µs |\n| --- | --- | --- |")
    for name, (limit, *_) in OTHERS.items():
        if name.partition(",")[0] in kinds:
            print(f"| {name}: another host | {to_another_host(name):.2f} | {limit:.2f} |")
