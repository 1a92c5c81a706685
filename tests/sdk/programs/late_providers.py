"""Providers set after the instrumentation and a call; prints as JSON what they got.

The instrumentation is then turned off and on again.

Environment: TOGETHER_API_KEY, TOGETHER_BASE_URL.
"""

import json
import sys

import together
from opentelemetry import metrics, trace

from together_otel import TogetherInstrumentor
from together_otel.testing.telemetry import CapturedTelemetry

TogetherInstrumentor().instrument()
client = together.Together(max_retries=0)


def call(*, stream=False):
    """Make a call and read its answer."""
    answer = client.chat.completions.create(
        model="a/model", messages=[{"role": "user", "content": "Hello"}], stream=stream
    )
    if stream:
        list(answer)


call()
telemetry = CapturedTelemetry()
trace.set_tracer_provider(telemetry.tracer_provider)
metrics.set_meter_provider(telemetry.meter_provider)
call()
call(stream=True)
TogetherInstrumentor().uninstrument()
TogetherInstrumentor().instrument()
call()

json.dump(
    {
        "spans": [[span["kind"], span["name"]] for span in telemetry.spans()],
        "requests": telemetry.counter("together.client.requests"),
        "failures": telemetry.metrics()["together.client.auth.failures"],
        "durations": telemetry.counter("gen_ai.client.inference.duration"),
        "first_chunks": telemetry.counter("gen_ai.client.inference.time_to_first_chunk"),
    },
    sys.stdout,
)
