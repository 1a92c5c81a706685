"""Calls before a fork, during it and after it; prints what parent and child told, as JSON.

Environment: TOGETHER_API_KEY, TOGETHER_BASE_URL. The server refuses the key after 4 requests.
"""

import contextlib
import gc
import json
import logging
import os
import sys

import together

from together_otel import TogetherInstrumentor
from together_otel.testing.telemetry import CapturedTelemetry

# What the child logs is looked at below; stderr is for what nobody expects.
logging.lastResort = None
telemetry = CapturedTelemetry()
TogetherInstrumentor().instrument(
    tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
)


def call(client, *, stream=False):
    """Make a call."""
    return client.chat.completions.create(
        model="a/model", messages=[{"role": "user", "content": "Hello"}], stream=stream
    )


def told():
    """Return what this process told since its memory was cleared; counters, since its start."""
    return {
        "calls": [
            [format(span.context.span_id, "x"), span.attributes["together.request.outcome"]]
            for span in telemetry.finished_spans()
            if span.name.startswith("chat")
        ],
        "outcomes": {
            point["attributes"]["together.request.outcome"]: point["value"]
            for point in telemetry.metrics()["together.client.requests"]
            if point["value"]
        },
        "failures": {
            point["attributes"]["together.auth.cause"]: point["value"]
            for point in telemetry.metrics()["together.client.auth.failures"]
        },
        "events": [log["event_name"] for log in telemetry.logs()],
    }


client = together.Together(max_retries=0)
call(client)
stream = call(client, stream=True)
next(stream)
reading, writing = os.pipe()

if (child := os.fork()) == 0:
    telemetry.clear()
    found = {"at_first": told()}
    if "drop" in sys.argv:
        del stream
        gc.collect()
    own = together.Together(max_retries=0)
    call(own)
    list(call(own, stream=True))
    with contextlib.suppress(Exception):
        call(own)
    found["at_last"] = told()
    os.write(writing, json.dumps(found).encode())
    os._exit(0)

os.close(writing)
with os.fdopen(reading) as pipe:
    from_child = json.load(pipe)
os.waitpid(child, 0)
list(stream)
json.dump({"child": from_child, "parent": told()}, sys.stdout)
