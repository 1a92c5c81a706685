"""Calls of `together` beside another library's instrumentation; prints what came of them, as JSON.

Environment: ACCEPTED and REFUSED, two keys; TOGETHER_BASE_URL; PACKAGES, a folder to import from
after all others. Arguments: the other library; who is turned on first, ``theirs`` or ``ours``.
"""

import asyncio
import json
import os
import sys

sys.path.append(os.environ["PACKAGES"])

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from together_otel import TogetherInstrumentor
from together_otel.testing import CapturedTelemetry

AUTH_FAILED = "together.client.auth_failed"
neighbour, first = sys.argv[1:]
spans, reader, logs = InMemorySpanExporter(), InMemoryMetricReader(), CapturedTelemetry()
signs = set()
"""What shows that the other one is at work, beside spans of its own."""


def set_providers():
    """Set OpenTelemetry's own providers, as an application does."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([reader]))


def logfire():
    """Its own providers become the global ones."""
    import logfire  # noqa: PLC0415 - one of several

    logfire.configure(
        send_to_logfire=False,
        console=False,
        additional_span_processors=[SimpleSpanProcessor(spans)],
        metrics=logfire.MetricsOptions(additional_readers=[reader]),
    )
    signs.add(type(trace.get_tracer_provider()).__module__)


def sentry():
    """All but the transport as by default."""
    import sentry_sdk  # noqa: PLC0415 - one of several
    from sentry_sdk.transport import Transport  # noqa: PLC0415 - one of several

    class Keep(Transport):
        def capture_envelope(self, envelope):
            signs.update(item.type for item in envelope.items)

    set_providers()
    sentry_sdk.init("http://public@127.0.0.1/1", transport=Keep, traces_sample_rate=1.0)


def openinference():
    """By hand, as its documentation has it."""
    from openinference.instrumentation import together  # noqa: PLC0415 - one of several

    set_providers()
    together.TogetherInstrumentor().instrument()


def traceloop():
    """By hand; it can only be imported beside together 1.x."""
    from opentelemetry.instrumentation import together  # noqa: PLC0415 - one of several

    set_providers()
    together.TogetherAiInstrumentor().instrument()


def entry_points():
    """All that are installed, ours among them, as `opentelemetry-instrument` loads them."""
    from opentelemetry.instrumentation import auto_instrumentation  # noqa: PLC0415 - one of several

    set_providers()
    auto_instrumentation.initialize(swallow_exceptions=False)


def ours():
    """Return our spans so far."""
    ended = spans.get_finished_spans()
    return [one for one in ended if one.instrumentation_scope.name == "together_otel"]


def recorded():
    """Return what we have recorded so far."""
    data = reader.get_metrics_data()
    resources = data.resource_metrics if data is not None else []
    scopes = [scope for resource in resources for scope in resource.scope_metrics]
    counted = {"together.client.requests": 0, "together.client.auth.failures": 0}
    for metric in (metric for scope in scopes for metric in scope.metrics):
        if metric.name in counted:
            counted[metric.name] += sum(point.value for point in metric.data.data_points)
    return {
        "spans": sum("together.request.outcome" in one.attributes for one in ours()),
        "requests": counted["together.client.requests"],
        "failures": counted["together.client.auth.failures"],
        "events": [log["event_name"] for log in logs.logs()].count(AUTH_FAILED),
    }


async def call(kind, key, *, stream):
    """Make a call; return what the application has of it."""
    import together  # noqa: PLC0415 - after the instrumentations

    client = getattr(together, kind)(api_key=os.environ[key], max_retries=0)
    ask = {"model": "a/model", "messages": [{"role": "user", "content": "Hello"}]}
    try:
        made = client.chat.completions.create(**ask, stream=stream)
        answer = await made if kind == "AsyncTogether" else made
        if not stream:
            return str(type(answer)), answer.choices[0].message.content
        read = [one async for one in answer] if kind == "AsyncTogether" else list(answer)
        return str(type(answer)), [one.choices[0].delta.content for one in read if one.choices]
    except Exception as exc:  # noqa: BLE001 - whichever it is
        chained = str(type(exc.__cause__)), str(type(exc.__context__)), exc.__suppress_context__
        return str(type(exc)), str(exc), sorted(vars(exc)), *chained
    finally:
        if hasattr(client, "close"):
            closing = client.close()
            await closing if closing is not None else None


async def calls():
    """Make each kind of call; return what the application has and what we recorded."""
    found = {}
    for kind in ("Together", "AsyncTogether"):
        for name, key in (("success", "ACCEPTED"), ("refused", "REFUSED"), ("stream", "ACCEPTED")):
            before = recorded()
            answer = await call(kind, key, stream=name == "stream")
            added = {what: count - before[what] for what, count in recorded().items()}
            found[f"{kind} {name}"] = {"answer": answer, "recorded": added}
    return found


order = [globals()[neighbour], TogetherInstrumentor().instrument]
if neighbour == "entry_points":
    order.pop()
for turn_on in order if first == "theirs" else reversed(order):
    turn_on()
beside = asyncio.run(calls())
TogetherInstrumentor().uninstrument()
alone = asyncio.run(calls())

emitted = [[one.name, dict(one.attributes), one.status.description] for one in ours()]
emitted += [[event.name, dict(event.attributes)] for one in ours() for event in one.events]
signs |= {one.instrumentation_scope.name for one in spans.get_finished_spans()}
found = {"alone": alone, "beside": beside, "emitted": str(emitted), "signs": sorted(signs)}
json.dump(found, sys.stdout)
