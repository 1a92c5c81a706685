# opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/fixed_key.py
"""The fixed client of the error report: the key comes from the environment and is accepted.

Without an argument it uses a test server on loopback, with a made-up key; `--real` uses Together,
with TOGETHER_API_KEY.
"""

import os
import secrets
import sys
from importlib.metadata import version

import together

from together_otel.testing.server import TogetherServer


def ask(base_url: str | None) -> None:
    """Create a client with the key in the environment and send a request."""
    client = together.Together(api_key=os.environ.get("TOGETHER_API_KEY"), base_url=base_url)
    answer = client.chat.completions.create(
        model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
        messages=[{"role": "user", "content": "Hello"}],
    )
    print(f"The model says: {answer.choices[0].message.content}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        ask(None)
    else:
        key = "tgp_v1_" + secrets.token_urlsafe(40)[:43]
        os.environ["TOGETHER_API_KEY"] = key
        with TogetherServer(keys=[key]) as server:
            ask(server.base_url_for(version("together")))
