# env TOGETHER_OTEL_HOSTS=127.0.0.1 opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/openai_client.py
"""The openai client with Together's base URL, as many applications create it, but without its key.

`os.environ.get("TOGETHER_API_KEY")` is None here, so openai reads OPENAI_API_KEY and sends that key
to Together. Without an argument it uses a test server on loopback, which TOGETHER_OTEL_HOSTS adds to
Together's hosts; `--real` uses Together.
"""

import os
import sys

import openai

from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer


def ask(base_url: str) -> None:
    """Create a client as Together's documentation shows, and send a request."""
    try:
        client = openai.OpenAI(
            api_key=os.environ.get("TOGETHER_API_KEY"), base_url=base_url, max_retries=0
        )
        answer = client.chat.completions.create(
            model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
            messages=[{"role": "user", "content": "Hello"}],
        )
        print(f"The model says: {answer.choices[0].message.content}")
    except openai.OpenAIError as exc:
        print(f"openai says: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        ask("https://api.together.xyz/v1")
    else:
        keys = MadeUpKeys()
        os.environ.setdefault("OPENAI_API_KEY", keys.other_provider())
        with TogetherServer(keys=[keys.together()]) as server:
            ask(server.base_url)
