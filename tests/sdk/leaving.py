"""A call that its caller ends: the greenlet is killed, or asyncio or trio cancels the task."""

from functools import partial

import anyio
import gevent
import httpx
import pytest
from generation import RELEASE, Sdk

from together_otel.testing import behaviours

LIBRARIES = ("gevent", "asyncio", "trio")


class _Killed(httpx.HTTPTransport):
    """Raises what gevent raises in a killed greenlet, where it would wait for a byte."""

    def __init__(self, frames):
        super().__init__()
        self._frames = frames

    def handle_request(self, request):
        if not self._frames:
            raise gevent.GreenletExit
        response = super().handle_request(request)
        response.stream = _KilledStream(response.stream)
        return response


class _KilledStream(httpx.SyncByteStream):
    def __init__(self, stream):
        self._stream = stream

    def __iter__(self):
        yield next(iter(self._stream))
        raise gevent.GreenletExit

    def close(self):
        self._stream.close()


def leave(library, operation, server, key, frames=0):
    """Make a call and end it while it waits: for its answer, or for more than so many frames."""
    if library == "gevent":
        _kill(operation, server, key, frames)
    else:
        server.always(behaviours.slow(60, after=frames))
        anyio.run(partial(_cancel, operation, server, key, frames), backend=library)
        server.release()


def _kill(operation, server, key, frames):
    sdk = Sdk(server, is_async=False)
    with httpx.Client(transport=_Killed(frames)) as http_client:
        client = sdk.client(api_key=key, http_client=http_client)
        with pytest.raises(gevent.GreenletExit):
            sdk.read(operation.ask(client))
        sdk.close()


async def _cancel(operation, server, key, frames):
    from together import AsyncTogether  # noqa: PLC0415 - only now, so that tests can be first

    url = server.base_url_for(RELEASE)
    got_one = anyio.Event()

    async def call():
        async for _ in await operation.ask(client):
            got_one.set()

    async with (
        AsyncTogether(api_key=key, base_url=url, max_retries=0) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(call)
        await (got_one.wait() if frames else anyio.to_thread.run_sync(server.wait_for, 1))
        tasks.cancel_scope.cancel()
