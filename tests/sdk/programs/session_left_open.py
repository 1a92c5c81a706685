"""Open a session, never close it, and tell at the very end what was told of it.

Usage: session_left_open.py connect|transcription sync|async
"""

import asyncio
import atexit
import json
import sys


def tell():
    """Print how the calls ended, and how many were counted."""
    spans = [span for span in captured.spans() if span["kind"] == "CLIENT"]
    ended = [[span["name"], span["attributes"]["together.request.outcome"]] for span in spans]
    counted = captured.counter("together.client.requests")
    sys.stdout.write(json.dumps({"ended": ended, "counted": counted}))


atexit.register(tell)  # before all others do, so that it runs after them

from together_otel import TogetherInstrumentor  # noqa: E402 - see above
from together_otel.testing.telemetry import CapturedTelemetry  # noqa: E402 - see above

captured = CapturedTelemetry()
TogetherInstrumentor().instrument(
    tracer_provider=captured.tracer_provider, meter_provider=captured.meter_provider
)

import together  # noqa: E402 - after the instrumentation

kind, way = sys.argv[1:]
client = together.AsyncTogether() if way == "async" else together.Together()
realtime = client.beta.realtime
if kind == "connect":
    opened = realtime.connect(model="a/model")
    start = opened.connect
else:
    opened = realtime.transcription(model="a/model")
    start = opened.start


async def started():
    """Open it in a loop that ends at once."""
    await start()


if way == "async":
    asyncio.run(started())
else:
    start()
