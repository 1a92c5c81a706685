"""An ASGI application that makes one call a request and tells which process did."""

import os

from together import AsyncTogether

client = None


async def app(scope, _receive, send):
    """Ask Together; `/pid` only tells the process."""
    global client  # noqa: PLW0603 - one client a process, made by its first request
    if scope["type"] != "http":
        return
    if scope["path"] != "/pid":
        client = client or AsyncTogether(max_retries=0)
        await client.chat.completions.create(
            model="a/model", messages=[{"role": "user", "content": "Hello"}]
        )
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
