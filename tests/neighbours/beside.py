"""Calls to Together beside another library's instrumentation; prints what came of them, as JSON.

Environment: ACCEPTED and REFUSED, two keys; BASE, the server's base URL, whose host is resolved to
loopback; PACKAGES, a folder to import from after all others. Arguments: the client, ``together`` or
``openai``; the other library; who is turned on first, ``theirs`` or ``ours``.
"""

import asyncio
import json
import os
import socket
import sys
from contextlib import nullcontext
from importlib import import_module
from urllib.parse import urlsplit

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
CLASS = {"together": "Together", "openai": "OpenAI"}
ASK = {"model": "a/model", "messages": [{"role": "user", "content": "Hello"}]}
AGENT = {"gen_ai.operation.name": "invoke_agent"}

library, neighbour, first = sys.argv[1:]
spans, reader, logs = InMemorySpanExporter(), InMemoryMetricReader(), CapturedTelemetry()
signs = set()
"""What shows that the other one is at work, beside spans of its own."""

HOST = urlsplit(os.environ["BASE"]).hostname
resolve = socket.getaddrinfo


def to_loopback(asked, *args, **kwargs):
    """Resolve the server's host to loopback."""
    is_it = asked in (HOST, HOST.encode())
    return resolve("127.0.0.1" if is_it else asked, *args, **kwargs)


socket.getaddrinfo = to_loopback


def set_providers():
    """Set OpenTelemetry's own providers, as an application does."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([reader]))


def logfire(*, suppress=False):
    """Its own providers become the global ones."""
    import logfire  # noqa: PLC0415 - one of several

    logfire.configure(
        send_to_logfire=False,
        console=False,
        scrubbing=False if library == "openai" else None,
        additional_span_processors=[SimpleSpanProcessor(spans)],
        metrics=logfire.MetricsOptions(additional_readers=[reader]),
    )
    if library == "openai":
        logfire.instrument_openai(suppress_other_instrumentation=suppress)
    signs.add(type(trace.get_tracer_provider()).__module__)


def logfire_as_by_default():
    """Suppresses others inside its calls."""
    logfire(suppress=True)


def sentry():
    """All but the transport as by default."""
    import sentry_sdk  # noqa: PLC0415 - one of several
    from sentry_sdk.transport import Transport  # noqa: PLC0415 - one of several

    class Keep(Transport):
        def capture_envelope(self, envelope):
            signs.update(item.type for item in envelope.items)

    set_providers()
    sentry_sdk.init("http://public@127.0.0.1/1", transport=Keep, traces_sample_rate=1.0)


def entry_points():
    """All that are installed, ours among them, as `opentelemetry-instrument` loads them."""
    from opentelemetry.instrumentation import auto_instrumentation  # noqa: PLC0415 - one of several

    set_providers()
    auto_instrumentation.initialize(swallow_exceptions=False)


def openlit():
    """It takes the application's providers; prices, which it would fetch, are none."""
    import openlit  # noqa: PLC0415 - one of several

    set_providers()
    os.environ["OTEL_LOGS_EXPORTER"] = "none"  # else it prints log records
    openlit.init(pricing_json=os.devnull, disable_metrics=True, disable_events=True)


BY_HAND = {
    "openinference together": "openinference.instrumentation.together TogetherInstrumentor",
    # It can only be imported beside together 1.x.
    "traceloop together": "opentelemetry.instrumentation.together TogetherAiInstrumentor",
    "openinference openai": "openinference.instrumentation.openai OpenAIInstrumentor",
    "traceloop openai": "opentelemetry.instrumentation.openai OpenAIInstrumentor",
    "genai openai": "opentelemetry.instrumentation.genai.openai OpenAIInstrumentor",
}
"""Instrumentations that are turned on as their documentation has it."""


def theirs():
    """Turn the other one on; an agent's span round each call takes no library."""
    if neighbour in globals():
        globals()[neighbour]()
        return
    set_providers()
    if named := BY_HAND.get(f"{neighbour} {library}"):
        module, instrumentor = named.split()
        getattr(import_module(module), instrumentor)().instrument()


def count(name):
    """Return what a counter of ours has come to."""
    data = reader.get_metrics_data()
    resources = data.resource_metrics if data is not None else []
    found = [metric for one in resources for scope in one.scope_metrics for metric in scope.metrics]
    points = [point for metric in found if metric.name == name for point in metric.data.data_points]
    return sum(point.value for point in points)


def recorded():
    """Return what we have recorded so far."""
    return {
        "requests": count("together.client.requests"),
        "failures": count("together.client.auth.failures"),
        "events": [log["event_name"] for log in logs.logs()].count(AUTH_FAILED),
    }


async def call(kind, key, *, stream):
    """Make a call; return what the application has of it."""
    made = getattr(import_module(library), kind)
    client = made(api_key=os.environ[key], base_url=os.environ["BASE"], max_retries=0)
    is_async = kind.startswith("Async")
    try:
        asked = client.chat.completions.create(**ASK, stream=stream)
        answer = await asked if is_async else asked
        if not stream:
            return str(type(answer)), answer.choices[0].message.content
        read = [one async for one in answer] if is_async else list(answer)
        return str(type(answer)), [one.choices[0].delta.content for one in read if one.choices]
    except Exception as exc:  # noqa: BLE001 - whichever it is
        chained = str(type(exc.__cause__)), str(type(exc.__context__)), exc.__suppress_context__
        return str(type(exc)), str(exc), sorted(vars(exc)), *chained
    finally:
        closing = client.close() if hasattr(client, "close") else None
        await closing if closing is not None else None


def ended():
    """Return the spans that have ended since the last call."""
    found = spans.get_finished_spans()
    scopes = {one.context.span_id: one.instrumentation_scope.name for one in found}
    signs.update(scopes.values())
    return [
        {
            "name": one.name,
            "ours": one.instrumentation_scope.name == "together_otel",
            "kind": one.kind.name,
            "status": one.status.description,
            "attributes": {name: str(value) for name, value in one.attributes.items()},
            "events": [[event.name, str(dict(event.attributes))] for event in one.events],
            "parent": one.parent and scopes.get(one.parent.span_id),
        }
        for one in found
    ]


async def calls():
    """Make each kind of call; return what the application has, what we recorded, and the spans."""
    found = {}
    for kind in (CLASS[library], f"Async{CLASS[library]}"):
        for name, key in (("success", "ACCEPTED"), ("refused", "REFUSED"), ("stream", "ACCEPTED")):
            spans.clear()
            before = recorded()
            tracer = trace.get_tracer("an agent")
            inside = tracer.start_as_current_span("invoke_agent", attributes=AGENT)
            with inside if neighbour == "agent" else nullcontext():
                answer = await call(kind, key, stream=name == "stream")
            added = {what: number - before[what] for what, number in recorded().items()}
            found[f"{kind} {name}"] = {"answer": answer, "recorded": added, "spans": ended()}
    return found


order = [theirs, TogetherInstrumentor().instrument]
if neighbour == "entry_points":
    order.pop()
for turn_on in order if first == "theirs" else reversed(order):
    turn_on()
beside = asyncio.run(calls())
TogetherInstrumentor().uninstrument()
alone = asyncio.run(calls())
json.dump({"alone": alone, "beside": beside, "signs": sorted(signs)}, sys.stdout)
