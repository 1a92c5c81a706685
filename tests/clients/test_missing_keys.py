"""Frameworks that refuse for want of a key before any client is made."""

import asyncio
import importlib
import logging
import sys
from types import ModuleType, SimpleNamespace

import openai
import pytest
from reaching import MODEL
from reported import calls, events, failures, only_failure

from together_otel import instrument, uninstrument
from together_otel.calls.places import PLACES

pytestmark = [
    pytest.mark.filterwarnings("ignore:The completions endpoint, has 'max_tokens'"),
    # Frameworks warn of their dependencies, which are newer than they know.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
VARIABLE = "TOGETHER_API_KEY"


def pydantic_ai():
    from pydantic_ai.providers.together import TogetherProvider

    TogetherProvider()


def haystack():
    from haystack.dataclasses import ChatMessage
    from haystack_integrations.components.generators.togetherai import TogetherAIChatGenerator

    TogetherAIChatGenerator().run([ChatMessage.from_user("Hi")])


def haystack_of_openai():
    from haystack.components.generators.chat import OpenAIChatGenerator

    OpenAIChatGenerator(api_base_url="https://api.together.xyz/v1").warm_up()


def haystack_responses():
    found = pytest.importorskip("haystack.components.generators.chat.openai_responses")
    found.OpenAIResponsesChatGenerator(api_base_url="https://api.together.xyz/v1").run([])


def haystack_text_embedder():
    from haystack.components.embedders import OpenAITextEmbedder

    OpenAITextEmbedder(api_base_url="https://api.together.xyz/v1").run("Hi")


def haystack_document_embedder():
    from haystack.components.embedders import OpenAIDocumentEmbedder

    OpenAIDocumentEmbedder(api_base_url="https://api.together.xyz/v1").warm_up()


def haystack_image():
    found = pytest.importorskip("haystack.components.generators.openai_image_generator")
    found.OpenAIImageGenerator(api_base_url="https://api.together.xyz/v1").run("Hi")


def agno():
    from agno.models.together import Together

    Together(id=MODEL).get_client()


def agno_of_openai():
    from agno.models.openai import OpenAIChat

    OpenAIChat(id=MODEL, base_url="https://api.together.xyz/v1").get_client()


def agno_responses():
    from agno.models.openai import OpenAIResponses

    OpenAIResponses(id=MODEL, base_url="https://api.together.xyz/v1").get_client()


def instructor():
    from instructor import from_provider

    from_provider(f"together/{MODEL}")


def camel():
    from camel.models.togetherai_model import TogetherAIModel

    TogetherAIModel(MODEL)


def camel_of_openai():
    from camel.models.openai_model import OpenAIModel

    OpenAIModel(MODEL, None, None, "https://api.together.xyz/v1")


def huggingface_hub():
    from huggingface_hub import InferenceClient

    client = InferenceClient(provider="together")
    client.chat_completion([{"role": "user", "content": "Hi"}], model=MODEL)


def llama_index_embedding():
    from llama_index.embeddings.together import TogetherEmbedding

    TogetherEmbedding("m")


def llama_index():
    from llama_index.llms.together import TogetherLLM

    try:
        TogetherLLM(MODEL, max_retries=0).complete("Hi")
    except openai.APIConnectionError:
        pytest.skip("this release of openai takes the empty text that stands for none")


def langchain_llm():
    from langchain_together import Together

    Together(model=MODEL)


def langchain():
    from langchain_together import ChatTogether

    ChatTogether(model=MODEL)


def langchain_embeddings():
    from langchain_together import TogetherEmbeddings

    TogetherEmbeddings(model="m")


def aisuite():
    pytest.importorskip("aisuite")
    from aisuite.providers.together_provider import TogetherProvider

    TogetherProvider()


def litellm():
    litellm = pytest.importorskip("litellm")
    litellm.rerank(model="together_ai/m", query="Hi", documents=["a"])


def litellm_by_position():
    litellm = pytest.importorskip("litellm")
    litellm.rerank("together_ai/m", "Hi", ["a"])


def litellm_of_openai():
    litellm = pytest.importorskip("litellm")
    litellm.completion(
        f"openai/{MODEL}",
        api_base="https://api.together.xyz/v1",
        messages=[{"role": "user", "content": "Hi"}],
    )


REFUSALS = [
    (pydantic_ai, "pydantic_ai", "pydantic_ai.exceptions.UserError", VARIABLE),
    (haystack, "haystack", "ValueError", VARIABLE),
    (haystack_of_openai, "haystack", "ValueError", "OPENAI_API_KEY"),
    (haystack_responses, "haystack", "ValueError", "OPENAI_API_KEY"),
    (haystack_text_embedder, "haystack", "ValueError", "OPENAI_API_KEY"),
    (haystack_document_embedder, "haystack", "ValueError", "OPENAI_API_KEY"),
    (haystack_image, "haystack", "ValueError", "OPENAI_API_KEY"),
    (agno, "agno", "agno.exceptions.ModelAuthenticationError", VARIABLE),
    (agno_of_openai, "agno", "agno.exceptions.ModelAuthenticationError", "OPENAI_API_KEY"),
    (agno_responses, "agno", "agno.exceptions.ModelAuthenticationError", "OPENAI_API_KEY"),
    (instructor, "instructor", "instructor.v2.core.errors.ConfigurationError", VARIABLE),
    (camel, "camel", "ValueError", VARIABLE),
    (camel_of_openai, "camel", "ValueError", "OPENAI_API_KEY"),
    (huggingface_hub, "huggingface_hub", "ValueError", "HF_TOKEN"),
    (llama_index_embedding, "llama_index", "pydantic_core.ValidationError", VARIABLE),
    (llama_index, "llama_index", "openai.OpenAIError", f"{VARIABLE}, then OPENAI_API_KEY"),
    (langchain_llm, "langchain", "ValueError", VARIABLE),
    (langchain, "langchain", "openai.OpenAIError", f"{VARIABLE}, then OPENAI_API_KEY"),
    (langchain_embeddings, "langchain", "openai.OpenAIError", f"{VARIABLE}, then OPENAI_API_KEY"),
    (aisuite, "aisuite", "ValueError", VARIABLE),
    (litellm, "litellm", "litellm.exceptions.APIConnectionError", VARIABLE),
    (litellm_by_position, "litellm", "litellm.exceptions.APIConnectionError", VARIABLE),
    (litellm_of_openai, "litellm", "openai.OpenAIError", "OPENAI_API_KEY"),
]
NAMES = [one[0].__name__ for one in REFUSALS]


@pytest.fixture(autouse=True)
def no_token(monkeypatch, tmp_path):
    """Keep huggingface_hub from asking the network, and from a token of the machine's."""
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(
        "huggingface_hub.inference._providers._common._fetch_inference_provider_mapping",
        lambda *_args, **_kwargs: [],
    )


@pytest.mark.parametrize(("refuse", "library", "kind", "reads"), REFUSALS, ids=NAMES)
def test_missing_key(refuse, library, kind, reads, telemetry, keys):
    """One count, one event, one span that name library, exception and variables."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        refuse()
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "missing"
    assert event["together.client.library"] == library
    assert event["error.type"] == kind
    if reads != VARIABLE:
        assert f"reads {reads}; " in event["together.auth.remedy"]
    assert f"set {VARIABLE}" in event["together.auth.remedy"]
    assert calls(telemetry) == []


@pytest.mark.parametrize(("refuse", "library"), [one[:2] for one in REFUSALS], ids=NAMES)
def test_key_in_a_variable_that_nobody_reads(refuse, library, telemetry, keys, monkeypatch):
    monkeypatch.setenv("TOGETHER_KEY", keys.together())
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        refuse()
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "wrong_variable"
    assert "TOGETHER_KEY holds a key of Together's shape" in event["together.auth.remedy"]
    assert event["together.client.library"] == library


def llama_index_of_openai():
    from llama_index.llms.openai import OpenAI

    try:
        OpenAI("gpt-4", api_base="https://api.together.xyz/v1", max_retries=0).complete("Hi")
    except openai.APIConnectionError:
        pytest.skip("this release of openai takes the empty text that stands for none")


@pytest.mark.parametrize("work", [litellm_of_openai, llama_index_of_openai])
def test_key_in_a_variable_of_other_models(work, telemetry, keys, monkeypatch):
    """They read Together's variables for Together's own models only: openai's find no key."""
    monkeypatch.setenv(VARIABLE, keys.together())
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        work()
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "wrong_variable"
    assert "TOGETHER_API_KEY holds a key of Together's shape" in event["together.auth.remedy"]
    assert "pass it as api_key" in event["together.auth.remedy"]


IMITATIONS = [
    ("any_llm.any_llm", "AnyLLM.__init__", "MissingApiKeyError"),
    ("llm.models", "_get_key_mixin.get_key", "NeedsKeyException"),
    (
        "crewai.llms.providers.openai.completion",
        "OpenAICompletion._get_client_params",
        "ValueError",
    ),
    ("deepeval.models.llms.openai_model", "GPTModel._build_client", "DeepEvalError"),
    ("dspy._vendor.lm15.router", "LMRouter.lm", "NotConfiguredError"),
    ("dspy._vendor.lm15.router", "AsyncLMRouter.resolve", "NotConfiguredError"),
    *(
        (
            f"semantic_kernel.connectors.ai.open_ai.services.{module}",
            f"{name}.__init__",
            "ServiceInitializationError",
        )
        for module, name in (
            ("open_ai_chat_completion", "OpenAIChatCompletion"),
            ("open_ai_config_base", "OpenAIConfigBase"),
        )
    ),
]
"""What is not installed here, or older releases of it: module, what refuses, and what it raises."""


def imitate(monkeypatch, module, attribute, error, url):
    """Put a module in place of a framework's; return its class, which refuses, for a base URL."""
    (name, method), kind = attribute.split("."), type(error, (ValueError,), {})

    def refuse(_self):
        raise kind("no key")

    made = type(name, (), {"base_url": url, "api_key": None, method: refuse})
    made.PROVIDER_NAME = "together" if url and "together" in url else "openai"
    made.ENV_API_KEY_NAME, made.ENV_API_BASE_NAME = "OPENAI_API_KEY", "OPENAI_BASE_URL"
    made.config = SimpleNamespace(base_urls=url and {"openai-chat": url})
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    setattr(sys.modules[module], name, made)
    return made


@pytest.mark.parametrize("host", ["api.together.ai", "gateway.example"])
@pytest.mark.parametrize(("module", "attribute", "error"), IMITATIONS, ids=str)
def test_imitation(module, attribute, error, host, keys, monkeypatch, request):
    monkeypatch.setenv("TOGETHER_OTEL_HOSTS", "gateway.example")
    made = imitate(monkeypatch, module, attribute, error, f"https://{host}/v1")
    telemetry = request.getfixturevalue("telemetry")
    with pytest.raises(ValueError, match="no key"):
        getattr(made(), attribute.partition(".")[2])()
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "missing"
    assert module.startswith(event["together.client.library"])


@pytest.mark.parametrize("url", [None, "https://api.openai.com/v1"])
@pytest.mark.parametrize(("module", "attribute", "error"), IMITATIONS, ids=str)
def test_imitation_of_another_host(module, attribute, error, url, monkeypatch, request):
    made = imitate(monkeypatch, module, attribute, error, url)
    telemetry = request.getfixturevalue("telemetry")
    with pytest.raises(ValueError, match="no key"):
        getattr(made(), attribute.partition(".")[2])()
    assert failures(telemetry) == {}


@pytest.mark.parametrize(
    "work",
    [pydantic_ai, agno, instructor, camel, langchain_llm, langchain, aisuite],
    ids=lambda work: work.__name__,
)
def test_nothing_of_a_key_that_is_there(work, telemetry, keys, monkeypatch):
    """What does not refuse is told by the client that it makes, or not at all."""
    monkeypatch.setenv(VARIABLE, keys.together())
    work()
    assert failures(telemetry) == {}
    assert len(events(telemetry, "key_checked")) <= 1
    assert all(
        one["together.api_key.format"] == "tgp_v1" for one in events(telemetry, "key_checked")
    )


def test_other_errors_are_not_for_want_of_a_key(telemetry, keys, monkeypatch):
    from agno.exceptions import ModelAuthenticationError
    from agno.models.openai import OpenAIChat
    from huggingface_hub import InferenceClient
    from langchain_together import Together as LangChain
    from llama_index.embeddings.together import TogetherEmbedding
    from pydantic import ValidationError

    monkeypatch.setenv(VARIABLE, keys.together())
    with pytest.raises(ValidationError):
        TogetherEmbedding("m", embed_batch_size="many")
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ValidationError):
        LangChain(model=MODEL, api_key=keys.together(), max_tokens="many")
    with pytest.raises(ValueError, match="api_key"):
        InferenceClient(provider="novita").chat_completion([], model=MODEL)
    with pytest.raises(ModelAuthenticationError, match="OPENAI_API_KEY"):
        OpenAIChat().get_client()
    assert failures(telemetry) == {}
    assert telemetry.spans() == []


def test_stand_in_beside_another_client(telemetry, keys):
    """Which of a framework's clients made one is asked of its frames, not of loaded modules."""
    import pydantic_ai.providers.together  # noqa: F401 - beside the one that is used
    from pydantic_ai.providers.openai import OpenAIProvider

    OpenAIProvider(base_url="https://api.together.xyz/v1")
    (event,) = events(telemetry, "key_checked")
    assert event["together.api_key.presence"] == "missing"
    assert keys.shown_in({"telemetry": telemetry.everything()}) == []


def test_no_frame_for_another_host(telemetry):
    from haystack.components.generators.chat import OpenAIChatGenerator

    with pytest.raises(ValueError, match="authentication") as raised:
        OpenAIChatGenerator(api_base_url="https://api.openai.com/v1").warm_up()
    kept = sys.version_info < (3, 11)
    assert sum("together_otel" in str(one.path) for one in raised.traceback[1:]) == kept
    assert failures(telemetry) == {}


def test_swallowed_refusal(telemetry):
    """An agent of agno's returns a run with an error instead of raising one."""
    from agno.agent import Agent
    from agno.models.together import Together

    Agent(model=Together(id=MODEL), telemetry=False).run("Hi")
    (event,) = events(telemetry)
    assert event["together.client.library"] == "agno"
    assert set(failures(telemetry)) == {"missing"}


@pytest.mark.usefixtures("telemetry")
def test_originals_come_back():
    """Functions, methods and an inherited constructor are what they were."""
    from langchain_together import llms

    assert "__init__" in vars(llms.Together)
    uninstrument()
    for _, module, attributes in PLACES:
        try:
            imported = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        for attribute in attributes.split("|"):
            owner = imported
            *classes, name = attribute.split(".")
            for one in classes:
                owner = getattr(owner, one)
            assert "together_otel" not in type(vars(owner).get(name)).__module__
    assert "__init__" not in vars(llms.Together)


def test_a_place_that_is_not_there_any_more_is_named_once(caplog, monkeypatch):
    """A release may rename what is watched: that is said, and costs nothing else."""
    monkeypatch.setitem(
        sys.modules, "instructor.v2.auto_client", ModuleType("instructor.v2.auto_client")
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            instrument()
            uninstrument()
    assert [one.message for one in caplog.records if "in this release" in one.message] == [
        (
            "instructor.v2.auto_client has no _build_openai_compatible in this release: failures of a"
            " missing key are not reported."
        )
    ]


def test_a_function_that_was_imported_before(keys, request):
    """LiteLLM's package keeps what its own module had when it was imported."""
    litellm = pytest.importorskip("litellm")
    telemetry = request.getfixturevalue("telemetry")
    with pytest.raises(litellm.APIConnectionError):
        litellm.rerank(model="together_ai/m", query="Hi", documents=["a"])
    assert only_failure(telemetry, keys)["together.client.library"] == "litellm"


def test_async_use(telemetry, keys):
    from agno.models.together import Together

    async def work():
        Together(id=MODEL).get_async_client()

    with pytest.raises(Exception, match="TOGETHER_API_KEY"):
        asyncio.run(work())
    assert only_failure(telemetry, keys)["together.client.library"] == "agno"
