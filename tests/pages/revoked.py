"""A key is accepted, then revoked: the log line that README.md shows."""

import contextlib
import os
import secrets
from importlib.metadata import version

import together_otel
from together_otel.testing.server import TogetherServer

if __name__ == "__main__":
    together_otel.instrument(hosts="127.0.0.1", metrics="none")
    from together import Together

    os.environ["TOGETHER_API_KEY"] = key = "tgp_v1_" + secrets.token_urlsafe(40)[:43]
    with TogetherServer(keys=[key]) as server:
        client = Together(base_url=server.base_url_for(version("together")), max_retries=0)
        for _ in range(2):
            with contextlib.suppress(Exception):
                client.chat.completions.create(model="a/model", messages=[])
            server.revoke(key)
