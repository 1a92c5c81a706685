"""A stream that is still open when the interpreter ends; prints what was exported then, as JSON.

Environment: TOGETHER_API_KEY, TOGETHER_BASE_URL. Arguments: sync or async; what is there first,
OpenTelemetry's providers or one of Python's finalizers, as importing the SDK can make them: the
last is the first to be ended; how the program ends.
"""

import asyncio
import json
import sys
import weakref

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from together_otel import TogetherInstrumentor

kind, first, how = sys.argv[1:]
ask = {"model": "a/model", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
kept = []


def span(one):
    """Return a line that tells of a span."""
    attributes = dict(one.attributes or {})
    return json.dumps([one.name, attributes.get("together.request.outcome")]) + "\n"


def counts(data):
    """Return a line that tells of the requests counted."""
    found = {
        str((point.attributes or {})["together.request.outcome"]): getattr(point, "value", None)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "together.client.requests"
        for point in metric.data.data_points
    }
    return json.dumps(["requests", found]) + "\n"


async def read_a_chunk(client):
    """Begin to read, and keep the stream."""
    stream = await client.chat.completions.create(**ask)
    await anext(stream)
    kept.append(stream)


if first == "finalizers":
    weakref.finalize(sys, int)
tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=span)))
reader = PeriodicExportingMetricReader(ConsoleMetricExporter(formatter=counts))
TogetherInstrumentor().instrument(
    tracer_provider=tracer_provider, meter_provider=MeterProvider([reader])
)
import together  # noqa: E402 - after the providers

if kind == "async":
    kept.append(together.AsyncTogether(max_retries=0))
    asyncio.run(read_a_chunk(kept[0]))
else:
    kept.append(together.Together(max_retries=0))
    kept.append(kept[0].chat.completions.create(**ask))
    next(kept[1])

if how == "sys.exit":
    sys.exit()
if how == "exception":
    raise LookupError("the application's own")
