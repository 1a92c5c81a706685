"""What the application, or its OpenTelemetry, chose not to see, or not to keep."""

from urllib.parse import urlsplit

import pytest
from emitted import NotingSampler
from generation import MODEL, leaks
from measured import FIRST_CHUNK, measured
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased

from together_otel import TogetherInstrumentor
from together_otel.testing import behaviours
from together_otel.testing.telemetry import CapturedTelemetry

COUNTERS = ("auth.failures", "key.checks", "requests", "retries", "telemetry.errors")
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C


@pytest.fixture
def exported():
    """What a tracer provider with a sampler exports."""
    return InMemorySpanExporter()


@pytest.fixture
def sampled_by(exported):
    """Turn the instrumentation on under a sampler; give what else it emits."""
    captured = CapturedTelemetry()
    providers = []

    def instrument(sampler):
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exported))
        providers.append(provider)
        TogetherInstrumentor().instrument(
            tracer_provider=provider, meter_provider=captured.meter_provider
        )
        return captured

    yield instrument
    TogetherInstrumentor().uninstrument()
    for provider in providers:
        provider.shutdown()
    captured.shutdown()


def nothing_told(telemetry):
    """Tell whether there is no span, no log event, no count and no record."""
    metrics = telemetry.metrics()
    counted = sum(telemetry.counter(f"together.client.{name}") for name in COUNTERS)
    recorded = [name for name in metrics if name.startswith("gen_ai.")]
    keys = [name for name in metrics if name.startswith("together.client.key.") and metrics[name]]
    return not (telemetry.spans() or telemetry.logs() or counted or recorded or keys)


def test_suppressed(sdk, key, server, telemetry):
    """Nothing is told of a constructor, a call, a stream and a refused call that are suppressed."""
    with suppress_instrumentation():
        client = sdk.client(api_key=key)
        assert sdk.chat(client).choices
        stream = sdk.chat(client, stream=True)
        server.revoke(key)
        with pytest.raises(Exception, match="Invalid API key"):
            sdk.chat(client)
    assert len(sdk.read(stream)) > 2
    assert nothing_told(telemetry)

    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)
    assert telemetry.counter("together.client.requests") == 1
    assert telemetry.counter("together.client.auth.failures") == 1


def test_suppressed_for_want_of_a_key(sdk, telemetry):
    """A constructor's refusal is the SDK's own, and is not told."""
    with suppress_instrumentation(), pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by generation
        sdk.client_class()

    assert type(caught.value).__module__.partition(".")[0] == "together"
    assert nothing_told(telemetry)


def test_read_while_suppressed(sdk, key, telemetry):
    """A call that was begun is ended, also where nothing new would be begun."""
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    with suppress_instrumentation():
        sdk.read(stream)

    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"]["together.request.outcome"] == "success"
    assert (
        telemetry.counter("together.client.requests", {"together.request.outcome": "success"}) == 1
    )


@pytest.mark.parametrize("how", ["always off", "parent not sampled", "own sampler"])
def test_sampled_out(how, sdk, key, server, exported, sampled_by):
    """No span leaves, yet every call is counted and every failure is told, in the trace it is of."""
    samplers = {
        "always off": ALWAYS_OFF,
        "parent not sampled": ParentBased(ALWAYS_ON),
        "own sampler": NotingSampler(Decision.DROP),
    }
    telemetry = sampled_by(samplers[how])
    remote = trace.SpanContext(
        TRACE_ID, 0xB7AD6B7169203331, is_remote=True, trace_flags=trace.TraceFlags(0)
    )
    parent = trace.NonRecordingSpan(
        remote if how == "parent not sampled" else trace.INVALID_SPAN_CONTEXT
    )

    with trace.use_span(parent):
        client = sdk.client(api_key=key)
        sdk.chat(client)
        sdk.read(sdk.chat(client, stream=True))
        server.always(behaviours.server_error())
        with pytest.raises(Exception, match="Internal server error"):
            sdk.chat(client)
        server.always(None)
        server.revoke(key)
        with pytest.raises(Exception, match="Invalid API key"):
            sdk.chat(client)

    assert exported.get_finished_spans() == ()
    counted = {
        point["attributes"]["together.request.outcome"]: point["value"]
        for point in telemetry.metrics()["together.client.requests"]
    }
    assert counted == {"success": 2, "server_error": 1, "auth_failure": 1}
    assert measured(telemetry) == 4
    assert telemetry.counter(FIRST_CHUNK) == 1
    assert (
        telemetry.counter("together.client.auth.failures", {"together.auth.cause": "revoked"}) == 1
    )
    told = {log["event_name"]: log for log in telemetry.logs()}
    assert set(told) == {
        "together.client.key_checked",
        "gen_ai.client.inference.exception",
        "together.client.auth_failed",
    }
    assert told["together.client.auth_failed"]["attributes"]["together.auth.cause"] == "revoked"
    if how == "parent not sampled":
        assert {log["trace_id"] for log in telemetry.logs()} == {f"{TRACE_ID:032x}"}
    assert leaks(telemetry.everything(), key) == []


def test_samplers_see_the_request(sdk, key, server, exported, sampled_by):
    """A sampler decides on a span of known operation, model and server; it sees no key."""
    sampler = NotingSampler()
    telemetry = sampled_by(sampler)
    client = sdk.client(api_key=key)
    sdk.chat(client, max_tokens=7)
    sdk.run(client.files.list)

    init, chat, listing = sampler.asked
    assert init["name"] == "together.client.init"
    assert init["attributes"]["together.api_key.presence"] == "present"
    assert (chat["name"], listing["name"]) == (f"chat {MODEL}", "files.list")
    assert chat["kind"] is listing["kind"] is trace.SpanKind.CLIENT
    asked = {
        "gen_ai.provider.name": "together",
        "together.client.library": "together",
        "server.address": "127.0.0.1",
        "server.port": urlsplit(server.url).port,
    }
    assert listing["attributes"] == {"gen_ai.operation.name": "files.list"} | asked
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.max_tokens": 7,
    } | asked
    assert expected.items() <= chat["attributes"].items()
    assert leaks(str(sampler.asked), key) == []
    assert len(exported.get_finished_spans()) == 3
    assert telemetry.counter("together.client.requests") == 2
