"""A server for each test, and clients of whichever generation is installed."""

import contextlib
import http.client
import json
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import pytest
from generation import close_session

from together_otel.testing.server import TogetherServer

sys.path.insert(0, str(Path(__file__).parents[1] / "standins"))
os.environ.setdefault("TOGETHER_NO_BANNER", "1")  # 1.5 prints one on import

SDK = version("together")


@pytest.fixture
def generation():
    """The SDK's major version."""
    return int(SDK.partition(".")[0])


@pytest.fixture
def server():
    """A running server that accepts any well-formed key."""
    with TogetherServer() as running:
        yield running


@pytest.fixture
def client(server, key, generation):
    """A synchronous client of the server, strict about answers where the SDK can be."""
    together = pytest.importorskip("together")
    if generation == 1:
        yield together.Together(api_key=key, base_url=server.base_url, max_retries=0)
        close_session()
    else:
        with together.Together(
            api_key=key,
            base_url=server.base_url_for(SDK),
            max_retries=0,
            _strict_response_validation=True,
        ) as made:
            yield made


@pytest.fixture
def async_client(server, key, generation):
    """A maker of asynchronous clients; those of 2.x and 3.x are to be closed by the test."""
    together = pytest.importorskip("together")
    options = {"api_key": key, "base_url": server.base_url_for(SDK), "max_retries": 0}
    if generation > 1:
        options["_strict_response_validation"] = True
    return lambda: together.AsyncTogether(**options)


@pytest.fixture
def refused(generation):
    """The SDK's exception for a 401."""
    together = pytest.importorskip("together")
    return together.error.AuthenticationError if generation == 1 else together.AuthenticationError


@dataclass(frozen=True)
class Answered:
    """A plain HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body, parsed."""
        return json.loads(self.body)


class Ask(Protocol):
    """One POST over a connection of its own, without an SDK."""

    def __call__(self, server, key=..., *, path=..., body=..., authorization=...): ...


@pytest.fixture
def ask(key):
    """Send a request and read the answer; by default a chat with a good key."""

    def send(
        server,
        key=key,
        *,
        path="/v1/chat/completions",
        body={"model": "stand-in/model"},  # noqa: B006 - it is read only
        authorization=None,
    ):
        authorization = authorization if key is None else f"Bearer {key}"
        headers = {"Content-Type": "application/json"}
        if authorization is not None:
            headers["Authorization"] = authorization
        connection = http.client.HTTPConnection(*server.url.removeprefix("http://").split(":"))
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answered(response.status, named, response.read())

    return send
