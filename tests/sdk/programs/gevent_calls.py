"""Calls from greenlets; prints which call was whose, as JSON.

Environment: TOGETHER_API_KEY, TOGETHER_BASE_URL. Argument: how many greenlets.
"""

import platform

from gevent import monkey

# 1.x asks for it in every call, the first time by starting a process. In a child that gevent forks,
# OpenTelemetry's tracer provider looks at its resource with threads, and so lets the other
# greenlets go on there, a second time.
platform.processor()
monkey.patch_all()

import json  # noqa: E402 - gevent comes first
import sys  # noqa: E402 - the same

import gevent  # noqa: E402 - the same
from opentelemetry import trace  # noqa: E402 - the same

from together_otel import TogetherInstrumentor  # noqa: E402 - the same
from together_otel.testing.telemetry import CapturedTelemetry  # noqa: E402 - the same

telemetry = CapturedTelemetry()
TogetherInstrumentor().instrument(
    tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
)

import together  # noqa: E402 - after the instrumentation

client = together.Together(max_retries=0)
tracer = telemetry.tracer_provider.get_tracer("application")
kept = []


def call(number):
    """Make a call, every other one a stream, inside a span of the greenlet's own."""
    with tracer.start_as_current_span(f"caller {number}") as caller:
        answer = client.chat.completions.create(
            model="a/model",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=number,
            stream=bool(number % 2),
        )
        kept.append(trace.get_current_span() is caller)
        if number % 2:
            for _ in answer:
                gevent.sleep(0)
                kept.append(trace.get_current_span() is caller)


greenlets = [gevent.spawn(call, number) for number in range(1, int(sys.argv[1]) + 1)]
gevent.joinall(greenlets, raise_error=True)

spans = telemetry.finished_spans()
callers = {span.context.span_id: span.name for span in spans}
json.dump(
    {
        "calls": [
            [
                callers.get(span.parent.span_id),
                f"caller {span.attributes['gen_ai.request.max_tokens']}",
            ]
            for span in spans
            if span.name.startswith("chat")
        ],
        "outcomes": {
            point["attributes"]["together.request.outcome"]: point["value"]
            for point in telemetry.metrics()["together.client.requests"]
            if point["value"]
        },
        "kept": all(kept),
    },
    sys.stdout,
)
