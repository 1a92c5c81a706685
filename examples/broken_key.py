# opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/broken_key.py
"""The error report's broken client: an empty key, and what together_otel says of it.

Without an argument it talks to a stand-in for Together on loopback, so that no account is
needed; `--real` asks Together itself.
"""

import sys
from importlib.metadata import version

import together

from together_otel.testing.server import TogetherServer


def ask(base_url: str | None) -> None:
    """Make a client with an empty key and ask it something, as the report does."""
    try:
        client = together.Together(api_key="", base_url=base_url, max_retries=0)
        client.chat.completions.create(
            model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
            messages=[{"role": "user", "content": "Hello"}],
        )
    except Exception as exc:  # noqa: BLE001 - which class it is differs by the SDK's generation
        print(f"The SDK says: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        ask(None)
    else:
        with TogetherServer() as server:
            ask(server.base_url_for(version("together")))
