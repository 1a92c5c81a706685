"""Keys of any shape are hidden wherever they come from: headers, an HTTP client's auth, hosts."""

import httpx
import pytest
from generation import GENERATION, MESSAGES, MODEL
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x takes no HTTP client")

OPAQUE = "k" + "7e31" * 7 + "Z"
REFUSED = {"error": {"message": f"no: {OPAQUE}", "type": "invalid", "code": "invalid_api_key"}}


def fails(request):
    raise httpx.ProxyError("refused " + request.headers["authorization"].rpartition(" ")[2])


def refuses(_request):
    return httpx.Response(401, json=REFUSED)


def chat(telemetry, key, handler, http=None, options=None, **more):
    """Make a call that fails, inside which httpx is instrumented as well."""
    import together  # noqa: PLC0415 - after the instrumentation

    transport = httpx.MockTransport(handler)
    with httpx.Client(transport=transport, **(http or {})) as client:
        HTTPXClientInstrumentor.instrument_client(client, telemetry.tracer_provider)
        made = together.Together(api_key=key, http_client=client, max_retries=0, **(options or {}))
        with pytest.raises(together.TogetherError):
            made.chat.completions.create(model=MODEL, messages=MESSAGES, **more)


HEADER = {"Authorization": f"Bearer {OPAQUE}"}


def sign(request):
    request.headers.update(HEADER)
    return request


@pytest.mark.parametrize("handler", [fails, refuses])
@pytest.mark.parametrize(
    "given",
    [
        {"options": {"default_headers": HEADER}},
        {"extra_headers": HEADER},
        {"extra_headers": {"x-api-key": OPAQUE}},
        {"extra_headers": {"Ocp-Apim-Subscription-Key": OPAQUE}},
        {"extra_headers": {"Helicone-Auth": f"Bearer {OPAQUE}"}},
        {"http": {"auth": sign}},
        {"http": {"auth": ("user", OPAQUE)}},
        {"options": {"base_url": f"https://user:{OPAQUE}@gateway.invalid/v1"}},
        {"http": {"event_hooks": {"request": [sign]}}},
    ],
    ids=[
        *("default_headers", "extra_headers", "x-api-key", "azure", "helicone"),
        *("auth", "basic", "base_url", "hook"),
    ],
)
def test_the_key_that_is_sent_is_hidden(given, handler, key, telemetry):
    """On our span, in logs and labels, and on the HTTP client's span."""
    chat(telemetry, key, handler, **given)
    everything = telemetry.everything()
    assert [span["name"] for span in telemetry.spans() if span["name"] == "POST"]
    assert not any(OPAQUE[place : place + 8] in everything for place in range(len(OPAQUE) - 7))


def test_a_key_that_is_a_host_is_hidden(telemetry):
    """In the address, and in the remedy that names it."""
    host = OPAQUE.lower()
    chat(telemetry, OPAQUE, refuses, options={"base_url": f"http://{host}.example/v1"})
    everything = telemetry.everything().lower()
    assert "server.address" in str(telemetry.spans())
    assert not any(host[place : place + 8] in everything for place in range(len(host) - 7))


def test_captured_credentials_are_a_mark(key, telemetry):
    """Whatever their shape, as text, in a list, or as bytes; the rest is as without us."""
    tracer = telemetry.tracer_provider.get_tracer("application")
    accepted = "http.request.header.accept", b"text/\xff"
    with tracer.start_as_current_span("without a call") as outside:
        outside.set_attribute(*accepted)

    def capture(_request):
        with tracer.start_as_current_span("captured") as span:
            span.set_attribute("http.request.header.cookie", ("opaque",))
            span.set_attribute("http.request.header.x-api-key", b"opaque")
            span.set_attribute(*accepted)

    chat(telemetry, key, refuses, http={"event_hooks": {"request": [capture]}})
    (captured,) = [span for span in telemetry.finished_spans() if span.name == "captured"]
    assert captured.attributes == {
        "http.request.header.cookie": ("[key]",),
        "http.request.header.x-api-key": "[key]",
        **outside.attributes,
    }
