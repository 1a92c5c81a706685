"""A websocket to Together by aiohttp: its handshake is a request like any other."""

from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from test_requests import FAILURES, REQUESTS, bearer, only_span
from wire_cases import OTHER

from together_otel.testing import behaviours


@asynccontextmanager
async def served(key):
    """A server that sends back what it gets, to who has the key; the value is its port."""

    async def answer(request):
        if request.headers.get("Authorization") != f"Bearer {key}":
            return web.json_response({"error": {"code": "invalid_api_key"}}, status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    application = web.Application()
    application.router.add_get("/v1/realtime", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_accepted(scheme, key, telemetry):
    """Its call is over once it is open, and it works."""
    async with served(key) as port, aiohttp.ClientSession(headers=bearer(key)) as session:
        url = f"{scheme}://api.together.xyz:{port}/v1/realtime?model=a"
        async with session.ws_connect(url) as socket:
            await socket.send_str("Hello")
            assert await socket.receive_str() == "Hello"
            attributes = only_span(telemetry)["attributes"]
    assert attributes["together.request.outcome"] == "success"
    assert attributes["server.port"] == port
    assert telemetry.value(REQUESTS, gen_ai_operation_name="realtime.connect") == 1


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_refused(scheme, key, telemetry):
    async with served(key) as port, aiohttp.ClientSession(headers=bearer(OTHER)) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{scheme}://api.together.xyz:{port}/v1/realtime")
    assert only_span(telemetry)["attributes"]["together.auth.cause"] == "rejected"
    assert telemetry.counter(FAILURES) == 1


async def test_a_url_in_the_query_of_another(base, key, server, telemetry):
    """The host is still that of the session."""
    server.always(behaviours.accept())
    async with (
        aiohttp.ClientSession(f"{base}/", headers=bearer(key)) as session,
        session.get("models?from=http://api.example.com") as response,
    ):
        await response.read()
    assert only_span(telemetry)["name"] == "models.list"
