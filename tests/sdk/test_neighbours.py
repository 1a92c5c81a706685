"""Spans, contexts and baggage of others: what is round our spans, and what is inside them."""

import contextvars
import traceback

import pytest
from generation import GENERATION, MESSAGES, MODEL, leaks
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.trace import format_span_id, format_trace_id
from steps import chat, close, each, step, tell

from together_otel.testing import behaviours

HTTPX = pytest.mark.skipif(GENERATION < 2, reason="1.x is on requests and aiohttp, not on httpx")


def named(telemetry, prefix):
    """Return the only span whose name starts so."""
    (span,) = [one for one in telemetry.finished_spans() if one.name.startswith(prefix)]
    return span


def is_child(child, parent):
    """Tell whether a span is another's child, in the same trace."""
    return (
        child.parent is not None
        and child.parent.span_id == parent.context.span_id
        and child.context.trace_id == parent.context.trace_id
    )


def outcomes(telemetry):
    """Return how many requests ended how, after checking that spans say the same."""
    counted = {
        point["attributes"]["together.request.outcome"]: point["value"]
        for point in telemetry.metrics().get("together.client.requests", [])
        if point["value"]
    }
    told = [
        span["attributes"]["together.request.outcome"]
        for span in telemetry.spans()
        if "together.request.outcome" in span["attributes"]
    ]
    assert counted == {outcome: told.count(outcome) for outcome in told}
    return counted


@pytest.fixture
def httpx_spans(telemetry):
    """OpenTelemetry's instrumentation of httpx, on."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield
    instrumentor.uninstrument()


@pytest.mark.parametrize(
    ("attributes", "is_of_the_call"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.request.type": "chat"}, True),  # agentops
        ({"llm.request.type": "chat"}, True),  # traceloop, in older releases
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.type": "chat"}, False),
        ({"gen_ai.request.model": MODEL}, False),
    ],
)
def test_whose_genai_span_a_call_has(attributes, is_of_the_call, sdk, key, telemetry, tracer):
    """Inside another instrumentation's span of the call, ours is an INTERNAL one without GenAI."""
    client = sdk.client(api_key=key)

    async def story():
        with tracer.start_as_current_span("theirs", attributes=attributes):
            await chat(client)

    tell(sdk, story)
    span = named(telemetry, "together.client.call" if is_of_the_call else "chat")
    assert any(name.startswith("gen_ai.") for name in span.attributes) != is_of_the_call
    assert outcomes(telemetry) == {"success": 1}


@HTTPX
@pytest.mark.usefixtures("httpx_spans")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_spans_are_nested(stream, sdk, key, server, telemetry, tracer):
    """The application's span holds ours, ours holds httpx's, and httpx's is what is propagated."""
    client = sdk.client(api_key=key)

    async def story():
        with tracer.start_as_current_span("caller"):
            answer = await chat(client, stream=stream)
            if stream:
                [_ async for _ in each(answer)]

    tell(sdk, story)

    caller, ours, theirs = (named(telemetry, name) for name in ("caller", "chat", "POST"))
    assert is_child(ours, caller)
    assert is_child(theirs, ours)
    assert ours.kind is theirs.kind is trace.SpanKind.CLIENT
    _, trace_id, span_id, _ = server.requests[-1].headers["traceparent"].split("-")
    assert trace_id == format_trace_id(caller.context.trace_id)
    assert span_id == format_span_id(theirs.context.span_id)
    assert outcomes(telemetry) == {"success": 1}


@HTTPX
@pytest.mark.usefixtures("httpx_spans")
def test_each_attempt_is_a_span_of_httpx_in_ours(sdk, key, server, telemetry):
    """The SDK's retries are spans of httpx, all in our one."""
    server.script(behaviours.server_error(), behaviours.server_error())
    sdk.chat(sdk.client(api_key=key, max_retries=2))

    ours = named(telemetry, "chat")
    attempts = [span for span in telemetry.finished_spans() if span.name == "POST"]
    assert [is_child(one, ours) for one in attempts] == [True] * 3
    assert outcomes(telemetry) == {"success": 1}
    assert telemetry.counter("together.client.retries") == 2


@HTTPX
@pytest.mark.usefixtures("httpx_spans")
def test_httpx_tells_no_key(sdk, key, telemetry):
    """The exception that shows a key is raised with it, and recorded on httpx's span without."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class differs by version
        sdk.chat(sdk.client(api_key=key[:30] + "\n" + key[30:]))

    theirs = named(telemetry, "POST")
    (event,) = theirs.events
    assert leaks("".join(traceback.format_exception(caught.value)), key)
    assert "[key]" in str(event.attributes)
    assert not theirs.status.is_ok
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.parametrize("finished", [True, False])
def test_between_chunks_the_callers_span_is_current(finished, sdk, key, telemetry, tracer):
    """Spans that the application starts while it reads are its own span's children."""
    client = sdk.client(api_key=key)

    async def story():
        with tracer.start_as_current_span("caller") as caller:
            stream = await chat(client, stream=True)
            assert trace.get_current_span() is caller
            await step(stream)
            assert trace.get_current_span() is caller
            with tracer.start_as_current_span("between"):
                await step(stream)
            assert trace.get_current_span() is caller
            if finished:
                [_ async for _ in each(stream)]
            else:
                await close(stream)
            assert trace.get_current_span() is caller
        assert trace.get_current_span() is trace.INVALID_SPAN

    tell(sdk, story)

    caller = named(telemetry, "caller")
    assert is_child(named(telemetry, "between"), caller)
    assert is_child(named(telemetry, "chat"), caller)
    assert outcomes(telemetry) == {"success" if finished else "abandoned": 1}


@pytest.mark.parametrize("kind", ["whole", "stream", "refused"])
def test_context_and_baggage_are_left_alone(kind, sdk, key, server, telemetry, tracer):
    """After a call, however it went, the context is the very object it was before."""
    client = sdk.client(api_key=key)
    if kind == "refused":
        server.revoke(key)

    async def story():
        token = context.attach(baggage.set_baggage("tenant", "blue"))
        with tracer.start_as_current_span("caller"):
            before = context.get_current()
            if kind == "refused":
                with pytest.raises(Exception, match="Invalid API key"):
                    await chat(client)
            else:
                answer = await chat(client, stream=kind == "stream")
                assert context.get_current() is before
                if kind == "stream":
                    await step(answer)
                    assert context.get_current() is before
                    [_ async for _ in each(answer)]
            assert context.get_current() is before
            assert baggage.get_all() == {"tenant": "blue"}
        context.detach(token)

    tell(sdk, story)

    assert is_child(named(telemetry, "chat"), named(telemetry, "caller"))
    assert outcomes(telemetry) == {"auth_failure" if kind == "refused" else "success": 1}


@HTTPX
def test_a_hook_that_calls_with_the_same_client(sdk, key, telemetry):
    """A call inside another is a call of its own, though client and method are the same."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    held = {}

    def hook(_request):
        if held.pop("first", False):
            held["client"].chat.completions.create(model=MODEL, messages=MESSAGES)

    async def async_hook(_request):
        if held.pop("first", False):
            await held["client"].chat.completions.create(model=MODEL, messages=MESSAGES)

    kind = httpx.AsyncClient if sdk.is_async else httpx.Client
    hooks = {"request": [async_hook if sdk.is_async else hook]}
    client = sdk.client(api_key=key, http_client=kind(event_hooks=hooks))
    held.update(first=True, client=client)
    sdk.chat(client)
    assert outcomes(telemetry) == {"success": 2}


def test_a_context_that_is_a_plain_dictionary(sdk, key, telemetry):
    """OpenTelemetry takes any, and after a call it is there as before."""
    client = sdk.client(api_key=key)

    async def story():
        token = context.attach(mine := {**baggage.set_baggage("tenant", "blue")})
        await chat(client)
        assert context.get_current() is mine
        context.detach(token)

    tell(sdk, story)
    assert outcomes(telemetry) == {"success": 1}


@HTTPX
@pytest.mark.usefixtures("httpx_spans")
def test_baggage_reaches_the_server(sdk, key, server, telemetry):
    """What the application puts into its baggage is sent on through our span."""
    client = sdk.client(api_key=key)

    async def story():
        token = context.attach(baggage.set_baggage("tenant", "blue"))
        await chat(client)
        context.detach(token)

    tell(sdk, story)

    assert server.requests[-1].headers["baggage"] == "tenant=blue"
    assert outcomes(telemetry) == {"success": 1}


@HTTPX
def test_a_span_beside_a_request_of_the_application(sdk, key, telemetry):
    """Flask's ``request``, in a variable of a hook, raises for any attribute at times."""
    import httpx  # noqa: PLC0415 - as below

    class Proxy:
        def __getattr__(self, name):
            raise RuntimeError(name)

    def hook(params):
        request = Proxy()
        with telemetry.tracer_provider.get_tracer("mine").start_as_current_span("inside"):
            del request, params

    async def async_hook(params):
        hook(params)

    http_client = (
        httpx.AsyncClient(event_hooks={"request": [async_hook]})
        if sdk.is_async
        else httpx.Client(event_hooks={"request": [hook]})
    )
    sdk.chat(sdk.client(api_key=key, http_client=http_client))
    assert outcomes(telemetry) == {"success": 1}


@HTTPX
def test_a_context_variable_set_in_a_hook_stays_set(sdk, key, telemetry):
    """The HTTP client's hooks run in the caller's context, inside our span."""
    import httpx  # noqa: PLC0415 - the SDK's own dependency, from 2.x on

    variable = contextvars.ContextVar("variable", default="unset")
    current = []

    def hook(request):
        variable.set(request.method)
        current.append(trace.get_current_span())

    async def async_hook(request):
        hook(request)

    http_client = (
        httpx.AsyncClient(event_hooks={"request": [async_hook]})
        if sdk.is_async
        else httpx.Client(event_hooks={"request": [hook]})
    )
    client = sdk.client(api_key=key, http_client=http_client)

    async def story():
        await chat(client)
        return variable.get()

    here = contextvars.copy_context()
    assert here.run(tell, sdk, story) == "POST"
    assert [span.get_span_context() for span in current] == [named(telemetry, "chat").context]
    assert outcomes(telemetry) == {"success": 1}
