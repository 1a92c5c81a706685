"""Frameworks that reach Together by the openai client or by HTTP: accepted, refused, swallowed."""

import asyncio
from contextlib import suppress

import pytest
from reaching import MODEL, TOGETHER, Lab
from reported import calls, events, failures, only_failure

from together_otel.testing import behaviours

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def langchain(url, key):
    from langchain_together import ChatTogether

    return ChatTogether(model=MODEL, api_key=key, base_url=url, max_retries=0).invoke("Hi")


def langchain_streamed(url, key):
    from langchain_together import ChatTogether

    return list(ChatTogether(model=MODEL, api_key=key, base_url=url, max_retries=0).stream("Hi"))


def langchain_async(url, key):
    from langchain_together import ChatTogether

    return asyncio.run(
        ChatTogether(model=MODEL, api_key=key, base_url=url, max_retries=0).ainvoke("Hi")
    )


def langchain_of_openai(url, key):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, api_key=key, base_url=url, max_retries=0).invoke("Hi")


def langchain_embeddings(url, key):
    from langchain_together import TogetherEmbeddings

    made = TogetherEmbeddings(model="m", api_key=key, base_url=url, max_retries=0)
    return made.embed_query("Hi")


def llama_index(url, key):
    from llama_index.llms.together import TogetherLLM

    return TogetherLLM(MODEL, api_key=key, api_base=url, max_retries=0).complete("Hi")


def haystack(url, key):
    from haystack.dataclasses import ChatMessage
    from haystack.utils import Secret
    from haystack_integrations.components.generators.togetherai import TogetherAIChatGenerator

    generator = TogetherAIChatGenerator(
        api_key=Secret.from_token(key), api_base_url=url, max_retries=0
    )
    return generator.run([ChatMessage.from_user("Hi")])


def pydantic_ai(url, key):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=url, api_key=key))
    return asyncio.run(Agent(model).run("Hi"))


def agno(url, key):
    from agno.agent import Agent
    from agno.models.together import Together

    model = Together(id=MODEL, api_key=key, base_url=url, max_retries=0)
    return Agent(model=model, telemetry=False).run("Hi")


def litellm(url, key):
    litellm = pytest.importorskip("litellm")
    return litellm.completion(
        model=f"together_ai/{MODEL}",
        api_base=url,
        api_key=key,
        messages=[{"role": "user", "content": "Hi"}],
    )


def litellm_embeddings(url, key):
    litellm = pytest.importorskip("litellm")
    return litellm.embedding(model="together_ai/m", api_base=url, api_key=key, input=["Hi"])


WORKS = [
    (langchain, "langchain", "chat"),
    (langchain_streamed, "langchain", "chat"),
    (langchain_async, "langchain", "chat"),
    (langchain_of_openai, "langchain", "chat"),
    (langchain_embeddings, "langchain", "embeddings"),
    (llama_index, "llama_index", "chat"),
    (haystack, "haystack", "chat"),
    (pydantic_ai, "pydantic_ai", "chat"),
    (agno, "agno", "chat"),
    (litellm, "litellm", "chat"),
    (litellm_embeddings, "litellm", "embeddings"),
]
NAMES = [one[0].__name__ for one in WORKS]


@pytest.fixture
def url(server):
    return Lab(server, "", is_async=False).at(TOGETHER)


@pytest.mark.parametrize(("work", "library", "operation"), WORKS, ids=NAMES)
def test_accepted(work, library, operation, url, key, telemetry):
    """One span of the operation, by the framework's name, and no failure."""
    work(url, key)
    (attributes,) = calls(telemetry)
    assert attributes["gen_ai.operation.name"] == operation
    assert attributes["together.client.library"] == library
    assert attributes["together.request.outcome"] == "success"
    assert failures(telemetry) == {}


@pytest.mark.parametrize(("work", "library", "operation"), WORKS, ids=NAMES)
def test_refused(work, library, operation, url, server, key, keys, telemetry):
    """A refusal is counted once and named, whether the framework raises, wraps or swallows it."""
    server.revoke(key)
    with suppress(Exception):
        work(url, key)
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "rejected"
    assert event["together.client.library"] == library
    assert event["gen_ai.operation.name"] == operation
    assert event["http.response.status_code"] == 401


def test_llama_index_without_a_key(url, keys, telemetry):
    """It hands the empty text on: openai's constructor refuses it, or the request cannot be sent."""
    from llama_index.llms.together import TogetherLLM

    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        TogetherLLM(MODEL, api_base=url, max_retries=0).complete("Hi")
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "missing"
    assert event["together.client.library"] == "llama_index"
    assert (
        "TogetherLLM reads TOGETHER_API_KEY, then OPENAI_API_KEY" in event["together.auth.remedy"]
    )


@pytest.mark.parametrize(
    ("work", "library"),
    [
        (langchain, "langchain"),
        (llama_index, "llama_index"),
        (haystack, "haystack"),
        (litellm_embeddings, "litellm"),
    ],
    ids=["langchain", "llama_index", "haystack", "litellm"],
)
def test_key_of_another_provider_by_the_environment(
    work, library, url, keys, telemetry, monkeypatch
):
    """What a framework resolves and hands on as an argument comes from the environment."""
    key = keys.other_provider()
    variable = "TOGETHER_API_KEY" if library == "haystack" else "OPENAI_API_KEY"
    monkeypatch.setenv(variable, key)
    with suppress(Exception):
        work(url, key)
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "wrong_provider"
    assert event["together.auth.remedy"].startswith(f"{variable} is a key of OpenAI")
    assert event["together.api_key.source"] == "environment"


def test_key_of_another_provider_beside_one_that_is_not_for_the_model(
    url, key, keys, telemetry, monkeypatch
):
    """LiteLLM reads Together's variables for together_ai's models only: it passed no argument."""
    found = pytest.importorskip("litellm")
    monkeypatch.setenv("OPENAI_API_KEY", keys.other_provider())
    monkeypatch.setenv("TOGETHER_API_KEY", key)
    with pytest.raises(found.AuthenticationError):
        found.completion(
            f"openai/{MODEL}", api_base=url, messages=[{"role": "user", "content": "Hi"}]
        )
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "wrong_provider"
    assert event["together.auth.remedy"] == (
        "OPENAI_API_KEY is a key of OpenAI, while TOGETHER_API_KEY holds a key of Together's shape:"
        " pass that as api_key."
    )


def test_framework_retries_are_calls_of_their_own(url, server, key, telemetry):
    """Each is counted as it happens, and one log event tells of them."""
    from langchain_together import ChatTogether

    server.always(behaviours.refuse("together"))
    chat = ChatTogether(model=MODEL, api_key=key, base_url=url, max_retries=0)
    retried = chat.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    with pytest.raises(Exception, match="Invalid API key"):
        retried.invoke("Hi")
    assert failures(telemetry) == {"rejected": 3}
    assert len(events(telemetry)) == 1


def test_swallowed_fallback(url, server, key, telemetry):
    """LiteLLM answers by a fallback: the application sees nothing, the refusal is counted."""
    litellm = pytest.importorskip("litellm")
    server.script(behaviours.refuse("together"))
    answer = litellm.completion(
        model=f"together_ai/{MODEL}",
        api_base=url,
        api_key=key,
        messages=[{"role": "user", "content": "Hi"}],
        fallbacks=[f"together_ai/{MODEL}"],
    )
    assert answer.choices
    assert failures(telemetry) == {"rejected": 1}
    outcomes = [one["together.request.outcome"] for one in calls(telemetry)]
    assert outcomes == ["auth_failure", "success"]
