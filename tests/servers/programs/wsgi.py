"""A WSGI application that makes one call a request and tells which process did."""

import os

from together import Together

client = None


def app(environ, start_response):
    """Ask Together; `/pid` only tells the process."""
    global client  # noqa: PLW0603 - one client a process, made by its first request
    if environ["PATH_INFO"] != "/pid":
        client = client or Together(max_retries=0)
        client.chat.completions.create(
            model="a/model", messages=[{"role": "user", "content": "Hello"}]
        )
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
