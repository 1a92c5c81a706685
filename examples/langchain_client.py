# env TOGETHER_OTEL_HOSTS=127.0.0.1 opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/langchain_client.py
"""LangChain's ChatTogether, whose key is in a variable that it does not read.

Without an argument it uses a test server on loopback, which TOGETHER_OTEL_HOSTS adds to Together's
hosts; `--real` uses Together.
"""

import os
import sys

import openai
from langchain_together import ChatTogether

from together_otel.testing.keys import MadeUpKeys
from together_otel.testing.server import TogetherServer


def ask(base_url: str) -> None:
    """Create a client and send a request."""
    try:
        chat = ChatTogether(
            model="meta-llama/Llama-3.3-70B-Instruct-Turbo", base_url=base_url, max_retries=0
        )
        print(f"The model says: {chat.invoke('Hello').content}")
    except openai.OpenAIError as exc:
        print(f"LangChain says: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        ask("https://api.together.xyz/v1")
    else:
        key = MadeUpKeys().together()
        os.environ.setdefault("TOGETHER_AI_TOKEN", key)
        with TogetherServer(keys=[key]) as server:
            ask(server.base_url)
