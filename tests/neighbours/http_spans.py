"""A call whose HTTP client is instrumented too, and a server that repeats its key everywhere.

Arguments: who sends (``requests``, ``urllib3`` or ``aiohttp``), whose key it is (``own`` or
``other``: one that the client does not know of) and what the server does. Prints as JSON the names of
the scopes that have spans, and where they show the key.
"""

import asyncio
import json
import logging
import os
import secrets
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.append(os.environ["STANDINS"])

import together_ai
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

from together_otel import instrument
from together_otel.testing import CapturedTelemetry

SENDER, WHOSE, DOES = sys.argv[1:]
KEY, OTHER = (f"k{secrets.token_hex(15)}Z" for _ in range(2))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"] or 0))
        key = self.headers["authorization"].rpartition(" ")[2]
        if DOES == "garbage":
            self.wfile.write(f"HTTP/1.1 {key}\r\n\r\n".encode())
            self.close_connection = True
            return
        body = json.dumps({"error": {"message": key}}).encode()
        is_redirect = DOES == "redirect" and "elsewhere" not in self.path
        self.send_response(307 if is_redirect else 401)
        self.send_header("location", f"/elsewhere/{key}")
        self.send_header("x-request-id", key)
        self.send_header(f"x-{key}", "1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def by_requests(url, headers):
    import requests  # noqa: PLC0415 - after its instrumentation

    requests.post(url, headers=headers, json={}, timeout=10).raise_for_status()


def by_urllib3(url, headers):
    import urllib3  # noqa: PLC0415 - the same

    retries = urllib3.Retry(2, backoff_factor=0)
    answer = urllib3.PoolManager().request(
        "POST", url, headers=headers, body=b"{}", retries=retries
    )
    if answer.status >= 400:
        raise together_ai.TogetherAIError(answer.data.decode(), answer.status)


def by_aiohttp(url, headers):
    import aiohttp  # noqa: PLC0415 - the same

    async def send():
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers=headers, json={}) as answer,
        ):
            answer.raise_for_status()

    asyncio.run(send())


SENDERS = {"requests": by_requests, "urllib3": by_urllib3, "aiohttp": by_aiohttp}


class Client(together_ai.TogetherAI):
    """An application's own."""

    def _ask(self, _prompt):
        key = self.api_key if WHOSE == "own" else os.environ["OTHER"]
        SENDERS[SENDER](f"{self.base_url}/chat", {"Authorization": f"Bearer {key}"})
        return ""


def main():
    logging.getLogger("together_otel").addHandler(logging.NullHandler())
    for which in ("REQUEST", "RESPONSE"):
        os.environ[f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_{which}"] = ".*"
    os.environ["OTHER"] = OTHER
    telemetry = CapturedTelemetry()
    instrument(tracer_provider=telemetry.tracer_provider, metrics="none", log_interval=0)
    for one in (RequestsInstrumentor, URLLib3Instrumentor, AioHttpClientInstrumentor):
        one().instrument(tracer_provider=telemetry.tracer_provider)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with suppress(Exception):
        Client(KEY, f"http://127.0.0.1:{server.server_port}").chat("Hello")
    server.shutdown()
    everything = telemetry.everything().lower()
    sent = (KEY if WHOSE == "own" else OTHER).lower()
    stretches = {sent[at : at + 8] for at in range(len(sent) - 7)}
    shown = sorted(
        {
            everything[max(0, everything.find(one) - 60) :][:80]
            for one in stretches
            if one in everything
        }
    )
    scopes = sorted({one.instrumentation_scope.name for one in telemetry.finished_spans()})
    sys.stdout.write(json.dumps({"scopes": scopes, "shown": shown}))


main()
