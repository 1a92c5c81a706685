"""Clients of the openai package, and where they reach."""

from __future__ import annotations

import asyncio
import gc
from urllib.parse import urlsplit

TOGETHER = "api.together.xyz"
ELSEWHERE = "api.openai.com"
MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
MESSAGES = [{"role": "user", "content": "Hello"}]


class Lab:
    """Server, keys, telemetry, and clients sync or async behind one face."""

    def __init__(self, server, key, *, is_async):
        self.server, self.key, self.is_async = server, key, is_async
        self.base_url = self.at(TOGETHER)
        self.clients = []
        self.loop = asyncio.new_event_loop() if is_async else None

    def at(self, host):
        """Return the server's base URL under another host's name."""
        return f"http://{host}:{urlsplit(self.server.url).port}/v1"

    def client(self, **options):
        """Make a client; no retries unless asked for."""
        import openai

        kind = openai.AsyncOpenAI if self.is_async else openai.OpenAI
        made = kind(**{"base_url": self.base_url, "max_retries": 0, **options})
        self.clients.append(made)
        return made

    def run(self, call):
        """Return a call's result, awaited if need be."""
        if self.loop is None:
            return call()

        async def awaited():
            return await call()

        return self.loop.run_until_complete(awaited())

    def chat(self, client, **options):
        """Make one chat completion."""
        options = {"model": MODEL, "messages": MESSAGES, **options}
        return self.run(lambda: client.chat.completions.create(**options))

    def read(self, stream):
        """Return a stream's chunks."""
        if self.loop is None:
            return list(stream)

        async def reading():
            return [chunk async for chunk in stream]

        return self.run(reading)

    def close(self):
        """Close clients and loop."""
        for made in self.clients:
            self.run(made.close)
        self.clients.clear()
        gc.collect()
        if self.loop is not None:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()
