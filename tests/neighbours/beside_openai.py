"""Calls of the openai client to Together beside another instrumentation; prints them as JSON.

Environment: ACCEPTED and REFUSED, two keys; BASE, the server's base URL at Together's host, which
is resolved to loopback. Argument: the other library.
"""

import asyncio
import json
import os
import socket
import sys
from urllib.parse import urlsplit

import openai
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from together_otel import TogetherInstrumentor

HOST = urlsplit(os.environ["BASE"]).hostname
resolve = socket.getaddrinfo


def to_loopback(asked, *args, **kwargs):
    """Resolve Together's host to loopback."""
    is_it = asked in (HOST, HOST.encode())
    return resolve("127.0.0.1" if is_it else asked, *args, **kwargs)


socket.getaddrinfo = to_loopback

spans, reader = InMemorySpanExporter(), InMemoryMetricReader()


def set_providers():
    """Set OpenTelemetry's own providers, as an application does."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([reader]))


def agent():
    """An agent's span round each call, which is a parent like any other."""
    set_providers()


def openinference():
    """By hand, as its documentation has it."""
    from openinference.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415 - one of several

    set_providers()
    OpenAIInstrumentor().instrument()


def traceloop():
    """By hand."""
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor  # noqa: PLC0415 - one of several

    set_providers()
    OpenAIInstrumentor().instrument()


def genai_openai():
    """OpenTelemetry's own."""
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor  # noqa: PLC0415 - one of several

    set_providers()
    OpenAIInstrumentor().instrument()


def openlit():
    """It takes the application's providers; prices, which it would fetch, are none."""
    import openlit  # noqa: PLC0415 - one of several

    set_providers()
    os.environ["OTEL_LOGS_EXPORTER"] = "none"  # else it prints log records
    openlit.init(pricing_json=os.devnull, disable_metrics=True, disable_events=True)


def logfire(*, suppress=False):
    """Its own providers become the global ones."""
    import logfire  # noqa: PLC0415 - one of several

    logfire.configure(
        send_to_logfire=False,
        console=False,
        scrubbing=False,
        additional_span_processors=[SimpleSpanProcessor(spans)],
        metrics=logfire.MetricsOptions(additional_readers=[reader]),
    )
    logfire.instrument_openai(suppress_other_instrumentation=suppress)


def logfire_as_by_default():
    """Suppresses others inside its calls."""
    logfire(suppress=True)


def count(name):
    """Return what a counter of ours has come to."""
    data = reader.get_metrics_data()
    total = 0
    for resource in data.resource_metrics if data is not None else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == name:
                    total += sum(point.value for point in metric.data.data_points)
    return total


async def call(kind, key, *, stream):
    """Make a call; return what the application has of it."""
    client = getattr(openai, kind)(
        api_key=os.environ[key], base_url=os.environ["BASE"], max_retries=0
    )
    ask = {"model": "a/model", "messages": [{"role": "user", "content": "Hello"}]}
    try:
        made = client.chat.completions.create(**ask, stream=stream)
        answer = await made if kind == "AsyncOpenAI" else made
        if not stream:
            return str(answer.choices[0].message.content)
        read = [one async for one in answer] if kind == "AsyncOpenAI" else list(answer)
        return str([one.choices[0].delta.content for one in read if one.choices])
    except openai.OpenAIError as exc:
        return f"{type(exc).__name__}: {exc}"
    finally:
        closing = client.close()
        await closing if closing is not None else None


async def calls(name):
    """Make each kind of call; return its spans and counts."""
    found = []
    for kind in ("OpenAI", "AsyncOpenAI"):
        for key, stream in (("ACCEPTED", False), ("ACCEPTED", True), ("REFUSED", False)):
            spans.clear()
            before = [count(one) for one in COUNTED]
            if name == "agent":
                with trace.get_tracer("an agent").start_as_current_span(
                    "invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}
                ):
                    answer = await call(kind, key, stream=stream)
            else:
                answer = await call(kind, key, stream=stream)
            counted = [count(one) - was for one, was in zip(COUNTED, before, strict=True)]
            ended = spans.get_finished_spans()
            by_id = {one.context.span_id: one for one in ended}
            told = [
                {
                    "name": one.name,
                    "ours": one.instrumentation_scope.name == "together_otel",
                    "kind": one.kind.name,
                    "attributes": {name: str(value) for name, value in one.attributes.items()},
                    "parent": one.parent
                    and one.parent.span_id in by_id
                    and by_id[one.parent.span_id].instrumentation_scope.name,
                }
                for one in ended
            ]
            found.append({"call": f"{kind} {key} {stream}", "spans": told, "counted": counted})
            found[-1]["answer"] = answer
    return found


COUNTED = ("together.client.requests", "together.client.auth.failures")
globals()[sys.argv[1]]()
TogetherInstrumentor().instrument()
json.dump(asyncio.run(calls(sys.argv[1])), sys.stdout)
