"""What else sends to Together by an HTTP library: DSPy, aisuite, huggingface_hub."""

import asyncio
import json
import traceback
from contextlib import suppress

import pytest
from calling import leaks
from dirty_equals import IsPartialDict
from wire_cases import FAULTS, OTHER

from together_otel import TogetherInstrumentor
from together_otel.testing import behaviours

FAILURES = "together.client.auth.failures"
MESSAGES = [{"role": "user", "content": "Hello"}]
KEYS = [one for one in FAULTS if str(one.value).startswith("Bearer ") and len(str(one.value)) > 11]

pytestmark = pytest.mark.filterwarnings("ignore")


def dspy(base, key):
    found = pytest.importorskip("dspy")
    options = {"api_base": base, "api_key": key, "num_retries": 0, "cache": False}
    return found.LM("together_ai/a/model", **options)(messages=MESSAGES)


def dspy_itself(base, key):
    """Send by DSPy's own transport."""
    found = pytest.importorskip("dspy", minversion="3.4")
    options = {"api_base": base, "api_key": key, "num_retries": 0, "cache": False}
    return found.LM("openai/a/model", **options)(messages=MESSAGES)


def aisuite(base, key):
    found = pytest.importorskip("aisuite.providers.together_provider")
    provider = found.TogetherProvider(api_key=key)
    provider.BASE_URL = f"{base}/chat/completions"
    return provider.chat_completions_create("a/model", MESSAGES)


def huggingface_hub(base, key, *, stream=False):
    hub = pytest.importorskip("huggingface_hub", minversion="0.34")
    from huggingface_hub.hf_api import InferenceProviderMapping
    from huggingface_hub.inference import _providers
    from huggingface_hub.inference._providers import _common

    # Else it asks the hub, which is not here.
    _common.HARDCODED_MODEL_INFERENCE_MAPPING["together"]["a/model"] = InferenceProviderMapping(
        hf_model_id="a/model",
        provider="together",
        providerId="a/model",
        status="live",
        task="conversational",
    )
    helper = _providers.PROVIDERS["together"]["conversational"]
    before, helper.base_url = helper.base_url, base.removesuffix("/v1")
    try:
        client = hub.InferenceClient(provider="together", api_key=key)
        answer = client.chat_completion(MESSAGES, model="a/model", stream=stream)
        return list(answer) if stream else answer
    finally:
        helper.base_url = before


LIBRARIES = {
    "litellm": dspy,
    "dspy": dspy_itself,
    "aisuite": aisuite,
    "huggingface_hub": huggingface_hub,
}
"""What the call is of, and what makes it: of DSPy's, those of Together's models are LiteLLM's."""


@pytest.fixture(params=LIBRARIES)
def library(request):
    return str(request.param)


def test_accepted(library, base, key, telemetry):
    """One span a call, by whom it is."""
    LIBRARIES[library](base, key)
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["name"] == "chat a/model"
    assert span["attributes"] == IsPartialDict(
        {"together.client.library": library, "gen_ai.usage.output_tokens": 6}
    )


@pytest.mark.parametrize("fault", KEYS, ids=str)
def test_fault(library, base, key, telemetry, fault):
    """Whatever they raise: it is named, counted once for each request, and logged once."""
    text = str(fault.header(key)).removeprefix("Bearer ")
    if library == "huggingface_hub" and "Hugging Face" in fault.title:
        pytest.skip("with such a key it asks its own router")
    try:
        LIBRARIES[library](base, text)
    except Exception:  # noqa: BLE001 - each its own
        assert telemetry.value(FAILURES, together_auth_cause=fault.cause) >= 1
    else:
        pytest.fail("nothing was raised")
    assert telemetry.value(FAILURES, together_auth_cause=fault.cause) == telemetry.counter(FAILURES)
    names = [log["event_name"] for log in telemetry.logs()]
    assert names.count("together.client.auth_failed") == 1
    assert leaks(telemetry.everything(), text) == []


@pytest.mark.parametrize("given", [{}, {"api_key": None}], ids=["not given", "None"])
def test_no_key_of_dspy(base, telemetry, given):
    """Its own transport refuses before a request."""
    found = pytest.importorskip("dspy", minversion="3.4")
    model = found.LM("openai/a/model", api_base=base, num_retries=0, cache=False, **given)
    with pytest.raises(found.LMNotConfiguredError):
        model(messages=MESSAGES)
    assert telemetry.value(FAILURES, together_auth_cause="missing") == 1
    (event,) = [one for one in telemetry.logs() if one["event_name"].endswith("auth_failed")]
    assert event["attributes"]["together.client.library"] == "dspy"
    assert "dspy.LM reads OPENAI_API_KEY" in event["attributes"]["together.auth.remedy"]


def test_a_stream_of_huggingface_hub(base, key, telemetry):
    huggingface_hub(base, key, stream=True)
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"] == IsPartialDict(
        {"gen_ai.request.stream": True, "gen_ai.usage.output_tokens": 6}
    )


class Lm15:
    """Streams by DSPy's own transport, sync or async.

    Args:
        is_async: which of the two.
    """

    def __init__(self, *, is_async):
        self._transports = pytest.importorskip("dspy._vendor.lm15.transports")
        self._is_async = is_async

    def ask(self, base, header, most=None):
        """Return so many pieces of a stream, all by default."""
        body = json.dumps({"model": "a/model", "messages": MESSAGES, "stream": True}).encode()
        request = self._transports.TransportRequest(
            "POST", f"{base}/chat/completions", [("Authorization", header)], body
        )
        if self._is_async:
            return asyncio.run(self._ask_async(request, most))
        with self._transports.StdlibTransport() as transport, transport.stream(request) as response:
            return [piece for _, piece in zip(range(most or 99), response, strict=False)]

    async def _ask_async(self, request, most):
        found = []
        async with (
            self._transports.StdlibAsyncTransport() as transport,
            transport.stream(request) as response,
        ):
            async for piece in response:
                found.append(piece)
                if len(found) == most:
                    break
        return found


@pytest.fixture(params=["sync", "async"])
def lm15(request):
    return Lm15(is_async=request.param == "async")


def test_a_stream_of_lm15(lm15, base, key, server, telemetry):
    """Read to its end, left early, and refused."""
    assert b"[DONE]" in b"".join(lm15.ask(base, f"Bearer {key}"))
    server.always(behaviours.slow(30, after=1))
    lm15.ask(base, f"Bearer {key}", most=1)
    server.always(behaviours.usual())
    lm15.ask(base, f"Bearer {OTHER}", most=1)
    whole, left, refused = [one["attributes"] for one in telemetry.spans()]
    assert whole["gen_ai.usage.output_tokens"] == 6
    assert left["together.request.outcome"] == "abandoned"
    assert refused["together.auth.cause"] == "rejected"
    assert refused["http.response.status_code"] == 401


def test_another_host_of_lm15(lm15, elsewhere, telemetry):
    """The application cannot tell that the instrumentation is on."""

    def frames():
        with suppress(Exception):
            lm15.ask(elsewhere, "Bearer a")
        with pytest.raises(Exception, match="forbidden byte") as raised:
            lm15.ask(elsewhere, "Bearer a\n")
        return [frame.name for frame in traceback.extract_tb(raised.tb)]

    beside = frames()
    assert telemetry.spans() == []
    TogetherInstrumentor().uninstrument()
    assert beside == frames()
