"""Clients of any library, sync or async behind one face, and keys that nobody owns."""

import asyncio
import gc

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
MESSAGES = [{"role": "user", "content": "Hello"}]


def made_up_key(letter="B"):
    """Return a key of Together's shape that nobody owns."""
    return "tgp_" + "v1_" + f"a1{letter}2" * 10 + "xyz"


def leaks(text, key):
    """Return the stretches of eight characters of a key's secret part that a text shows."""
    secret = key.strip().removeprefix("Bearer ").removeprefix("tgp_v1_")
    stretches = (secret[place : place + 8] for place in range(len(secret) - 7))
    return [stretch for stretch in stretches if stretch in text]


class Caller:
    """Makes clients of one kind and runs calls on them, sync or async alike."""

    def __init__(self, base_url, *, is_async):
        self.is_async = is_async
        self.base_url = base_url
        self._clients = []
        self._loop = asyncio.new_event_loop() if is_async else None

    @property
    def client_class(self):
        raise NotImplementedError

    def client(self, **options):
        """Make a client; no retries unless asked for."""
        made = self.client_class(**{"base_url": self.base_url, "max_retries": 0, **options})
        self._clients.append(made)
        return made

    def run(self, call):
        """Return a call's result, awaited if need be."""
        if self._loop is None:
            return call()

        async def awaited():
            return await call()

        return self._loop.run_until_complete(awaited())

    def chat(self, client, **options):
        """Make one chat completion."""
        options = {"model": MODEL, "messages": MESSAGES, **options}
        return self.run(lambda: client.chat.completions.create(**options))

    def read(self, stream, chunks=None):
        """Return so many chunks of a stream, all by default."""
        found = []
        if self._loop is None:
            for chunk in stream:
                found.append(chunk)
                if len(found) == chunks:
                    break
            return found

        async def reading():
            async for chunk in stream:
                found.append(chunk)
                if len(found) == chunks:
                    break
            return found

        return self._loop.run_until_complete(reading())

    def close_clients(self):
        """Close every client."""
        for made in self._clients:
            self.run(made.close)

    def close(self):
        """Close clients, sessions and the loop."""
        self.close_clients()
        self._clients.clear()
        gc.collect()
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
