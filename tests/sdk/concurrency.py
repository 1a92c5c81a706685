"""Clients that many use at once: how they are made, asked, and closed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from generation import GENERATION, MESSAGES, MODEL, close_session


@contextmanager
def sync_client(options):
    """A sync client, closed afterwards."""
    import together  # noqa: PLC0415 - after the instrumentation

    client = together.Together(**options)
    yield client
    if GENERATION > 1:
        client.close()


def async_client(options):
    """An async client."""
    import together  # noqa: PLC0415 - after the instrumentation

    return together.AsyncTogether(**options)


async def close(client):
    """Close an async client, where there is something to close."""
    if GENERATION > 1:
        await client.close()


def ask(client):
    """Make one call; the awaitable of one, for an async client."""
    return client.chat.completions.create(model=MODEL, messages=MESSAGES)


def in_threads(number, call):
    """Return what a call gave in so many threads at once: a result or an exception."""

    def work(_):
        try:
            return call()
        except Exception as exc:  # noqa: BLE001 - it is what is asked for
            return exc
        finally:
            close_session()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(work, range(number)))


async def awaited(client):
    """Make one call of an async client."""
    return await ask(client)


async def refused(options):
    """Let a client make a call whose refusal stands."""
    client = async_client(options)
    with pytest.raises(Exception, match="Invalid API key"):
        await ask(client)
    await close(client)
