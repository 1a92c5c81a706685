"""LiteLLM's calls of Together: chat by httpx and aiohttp, the rest by the openai client.

Its releases are named in the Makefile, each in an environment of its own.
"""

import asyncio
from contextlib import suppress

import pytest
from calling import leaks
from dirty_equals import IsPartialDict
from wire_cases import FAULTS, OTHER

from together_otel.testing import behaviours

litellm = pytest.importorskip("litellm")


MODEL = "a/model"
CHAT = {"model": f"together_ai/{MODEL}", "messages": [{"role": "user", "content": "Hello"}]}
REQUESTS = "together.client.requests"
FAILURES = "together.client.auth.failures"
KEYS = [one for one in FAULTS if one.value is not None and one.value.startswith("Bearer ")]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def quiet():
    litellm.suppress_debug_info = True


def ask(*, is_async=False, **options):
    """Make a chat completion; return the answer, or the pieces of a stream."""
    if not is_async:
        answer = litellm.completion(**CHAT, **options)
        return list(answer) if options.get("stream") else answer

    async def asking():
        answer = await litellm.acompletion(**CHAT, **options)
        return [one async for one in answer] if options.get("stream") else answer

    return asyncio.run(asking())


def raised(call):
    try:
        call()
    except Exception as exc:  # noqa: BLE001 - its class differs between releases
        return f"{type(exc).__name__}: {exc}"
    pytest.fail("nothing was raised")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_chat(base, key, telemetry, *, is_async, stream):
    """One span a call, with what the answer says."""
    ask(is_async=is_async, api_base=base, api_key=key, stream=stream)
    (span,) = [one for one in telemetry.spans() if one["name"] != "together.client.init"]
    assert (span["name"], span["kind"]) == (f"chat {MODEL}", "CLIENT")
    assert span["attributes"] == IsPartialDict(
        {
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.output_tokens": 6,
            "together.client.library": "litellm",
            "together.request.outcome": "success",
        }
    )
    assert telemetry.value(REQUESTS, together_request_outcome="success") == 1


def test_embeddings_and_rerank(base, key, telemetry):
    where = {"model": CHAT["model"], "api_base": base, "api_key": key}
    litellm.embedding(input=["Hello"], **where)
    with suppress(litellm.APIConnectionError):  # 1.80 asks Together itself, which is not here
        litellm.rerank(query="a", documents=["a", "b"], **where)
    names = [one["name"] for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert names == [f"embeddings {MODEL}", f"rerank {MODEL}"]
    operation = {"gen_ai_operation_name": "embeddings", "together_request_outcome": "success"}
    assert telemetry.value(REQUESTS, **operation) == 1


@pytest.mark.parametrize("fault", KEYS, ids=str)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_fault(base, key, telemetry, fault, *, is_async):
    """Whatever LiteLLM makes of it, it is named, counted once and logged once."""
    text = str(fault.header(key)).removeprefix("Bearer ")
    if not text:
        pytest.skip("LiteLLM takes an empty key for none")
    raised(lambda: ask(is_async=is_async, api_base=base, api_key=text, num_retries=0))
    assert telemetry.value(FAILURES, together_auth_cause=fault.cause) == 1
    assert telemetry.counter(FAILURES) == 1
    names = [log["event_name"] for log in telemetry.logs()]
    assert names.count("together.client.auth_failed") == 1
    assert leaks(telemetry.everything(), text) == []


def test_no_key(base, telemetry):
    """LiteLLM asks all the same, without a header; the remedy names what it reads."""
    raised(lambda: ask(api_base=base))
    (log,) = [one for one in telemetry.logs() if one["event_name"] == "together.client.auth_failed"]
    assert log["attributes"]["together.auth.cause"] == "missing"
    assert "TOGETHERAI_API_KEY" in log["attributes"]["together.auth.remedy"]


def test_no_key_for_openais_responses(base, telemetry):
    """The text None is sent in its place, and no variable of Together's is read."""
    raised(lambda: litellm.responses(model=f"openai/{MODEL}", input="Hi", api_base=base))
    (log,) = [one for one in telemetry.logs() if one["event_name"] == "together.client.auth_failed"]
    assert log["attributes"]["together.auth.cause"] == "missing"
    assert "LiteLLM reads OPENAI_API_KEY; it is unset" in log["attributes"]["together.auth.remedy"]


def test_error_frame(base, key, server, telemetry):
    """An error in the middle of a stream, of which LiteLLM makes a 500, is the refusal it is."""
    server.always(behaviours.error_frame())
    raised(lambda: ask(api_base=base, api_key=key, stream=True))
    assert telemetry.counter(FAILURES) == 1


def test_a_refusal_that_a_fallback_swallows(base, key, telemetry):
    """The application gets an answer, and does not hear that one of its keys is dead."""
    other = {"model": CHAT["model"], "api_base": base, "api_key": key}
    answer = ask(api_base=base, api_key=OTHER, fallbacks=[other])
    assert answer.choices[0].message.content
    assert telemetry.value(FAILURES, together_auth_cause="rejected") == 1
    assert telemetry.value(REQUESTS, together_request_outcome="success") == 1


def test_retries_are_calls(base, key, server, telemetry):
    """Each of LiteLLM's own is counted as it happens, or is the openai client's before 1.100."""
    server.script(behaviours.server_error(500), behaviours.server_error(500))
    ask(api_base=base, api_key=key, num_retries=2)
    failed = telemetry.value(REQUESTS, together_request_outcome="server_error")
    assert failed + telemetry.counter("together.client.retries") == 2
    assert telemetry.value(REQUESTS, together_request_outcome="success") == 1


def test_a_cooldown(base, telemetry):
    """One refusal stands for many: what LiteLLM answers by itself was sent nowhere."""
    parameters = {"model": CHAT["model"], "api_base": base, "api_key": OTHER}
    router = litellm.Router(
        [{"model_name": "ours", "litellm_params": parameters}],
        num_retries=0,
        allowed_fails=0,
        cooldown_time=60,
    )
    messages = CHAT["messages"]
    texts = [raised(lambda: router.completion("ours", messages)) for _ in range(3)]
    sent = telemetry.counter(FAILURES)
    assert sent == sum("No deployments available" not in text for text in texts) >= 1
    assert telemetry.value(FAILURES, together_auth_cause="rejected") == sent
