# opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/fixed_key.py
"""The error report's fixed client: the key comes from the environment, and nothing is amiss.

Without an argument it talks to a stand-in for Together on loopback, with a key made up for
it; `--real` takes TOGETHER_API_KEY and asks Together itself.
"""

import os
import secrets
import sys
from importlib.metadata import version

import together

from together_otel.testing.server import TogetherServer


def ask(base_url: str | None) -> None:
    """Make a client of the key in the environment and ask it something."""
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
