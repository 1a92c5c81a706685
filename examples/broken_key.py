# opentelemetry-instrument --traces_exporter none --metrics_exporter none --logs_exporter none python examples/broken_key.py
"""The client of the error report: its key is empty, and together_otel reports the cause.

Without an argument it uses a test server on loopback and needs no account; `--real` uses Together.
"""

import sys
from importlib.metadata import version

import together

from together_otel.testing.server import TogetherServer


def ask(base_url: str | None) -> None:
    """Create a client with an empty key and send a request, as the report does."""
    try:
        client = together.Together(api_key="", base_url=base_url, max_retries=0)
        client.chat.completions.create(
            model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
            messages=[{"role": "user", "content": "Hello"}],
        )
    except Exception as exc:  # noqa: BLE001 - the class depends on the SDK's generation
        print(f"The SDK says: {type(exc).__name__}: {exc}")


if __name__ == "__main__":
    if "--real" in sys.argv:
        ask(None)
    else:
        with TogetherServer() as server:
            ask(server.base_url_for(version("together")))
