"""What else sends to Together by an HTTP library: DSPy, aisuite, huggingface_hub."""

import pytest
from calling import leaks
from dirty_equals import IsPartialDict
from wire_cases import FAULTS

FAILURES = "together.client.auth.failures"
MESSAGES = [{"role": "user", "content": "Hello"}]
KEYS = [one for one in FAULTS if str(one.value).startswith("Bearer ") and len(str(one.value)) > 11]

pytestmark = pytest.mark.filterwarnings("ignore")


def dspy(base, key):
    found = pytest.importorskip("dspy")
    options = {"api_base": base, "api_key": key, "num_retries": 0, "cache": False}
    return found.LM("together_ai/a/model", **options)(messages=MESSAGES)


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


LIBRARIES = {"litellm": dspy, "aisuite": aisuite, "huggingface_hub": huggingface_hub}
"""What the call is of, and what makes it: DSPy's are LiteLLM's."""


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


def test_a_stream_of_huggingface_hub(base, key, telemetry):
    huggingface_hub(base, key, stream=True)
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"] == IsPartialDict(
        {"gen_ai.request.stream": True, "gen_ai.usage.output_tokens": 6}
    )
