# python examples/manual_setup.py
"""Enables the instrumentation in code, without opentelemetry-instrument.

A test server accepts a key and then revokes it. The metrics are served on a free port, scraped and
printed.
"""

import secrets
import urllib.request
from importlib.metadata import version

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from together_otel import instrument
from together_otel.testing.server import TogetherServer

metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
instrument()

import together  # noqa: E402 - works before or after instrument()


def ask(client: together.Together) -> None:
    """Send a request and print its outcome."""
    try:
        answer = client.chat.completions.create(
            model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
            messages=[{"role": "user", "content": "Hello"}],
        )
        print(f"The model says: {answer.choices[0].message.content}")
    except Exception as exc:  # noqa: BLE001 - the class depends on the SDK's generation
        print(f"The SDK says: {type(exc).__name__}")


if __name__ == "__main__":
    endpoint, thread = start_http_server(0, "127.0.0.1")
    key = "tgp_v1_" + secrets.token_urlsafe(40)[:43]
    with TogetherServer(keys=[key]) as server:
        client = together.Together(
            api_key=key, base_url=server.base_url_for(version("together")), max_retries=0
        )
        ask(client)
        server.revoke(key)
        ask(client)
    with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.server_port}/metrics") as page:
        for line in page.read().decode().splitlines():
            if line.startswith("together_client_") and not line.endswith(" 0.0"):
                print(line)
    endpoint.shutdown()
    endpoint.server_close()
    thread.join()
