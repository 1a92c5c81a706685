"""CrewAI, deepeval, mirascope and langchain_community at Together: calls and missing keys."""

import pytest
from reaching import ELSEWHERE, MODEL, TOGETHER
from reported import call, calls, failures, only_failure

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def nothing_is_sent_home(monkeypatch):
    for name in ("CREWAI_DISABLE_TELEMETRY", "DEEPEVAL_TELEMETRY_OPT_OUT"):
        monkeypatch.setenv(name, "true")


def crewai(url):
    from crewai import LLM

    return LLM(f"openai/{MODEL}", base_url=url).call("Hi")


def crewai_by_variable(url):
    from crewai import LLM

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", url)
        return LLM("openai/gpt-4o").call("Hi")


def deepeval(url):
    from deepeval.models import GPTModel

    costs = {"cost_per_input_token": 0, "cost_per_output_token": 0}
    return GPTModel("gpt-4o", base_url=url, **costs).generate("Hi")


def deepeval_local(url):
    from deepeval.models import LocalModel

    return LocalModel(MODEL, base_url=url).generate("Hi")


def deepeval_embeddings(url):
    from deepeval.models.embedding_models import LocalEmbeddingModel

    return LocalEmbeddingModel(model="m", base_url=url).embed_text("Hi")


def mirascope(url):
    from mirascope import llm

    llm.reset_provider_registry()
    llm.register_provider("together", scope="together/", base_url=url)
    return llm.Model(f"together/{MODEL}").call("Hi")


def langchain_together(url):
    from langchain_community.llms.together import Together

    return Together(model="m", base_url=f"{url}/completions")


def langchain_chat(url):
    from langchain_community.chat_models.openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, base_url=url, max_retries=0).invoke("Hi")


def langchain_llm(url):
    from langchain_community.llms.openai import OpenAI

    return OpenAI(model="m", base_url=url, max_retries=0).invoke("Hi")


OPENAI = "OPENAI_API_KEY"
WORKS = [
    (crewai, "crewai", OPENAI),
    (crewai_by_variable, "crewai", OPENAI),
    (deepeval, "deepeval", OPENAI),
    (deepeval_local, "deepeval", "LOCAL_MODEL_API_KEY"),
    (deepeval_embeddings, "deepeval", "LOCAL_EMBEDDING_API_KEY"),
    (mirascope, "mirascope", "TOGETHER_API_KEY"),
]
LANGCHAIN = (langchain_together, "langchain", "TOGETHER_API_KEY")
"""Reads no answer of Together's today's API."""
DEPRECATED = [(langchain_chat, "langchain", OPENAI), (langchain_llm, "langchain", OPENAI)]
"""Their missing keys are not reported: their deprecation's warning would name a line of ours."""
CALLS = pytest.mark.parametrize(
    ("work", "library", "variable"),
    [*WORKS, *DEPRECATED],
    ids=[one[0].__name__ for one in (*WORKS, *DEPRECATED)],
)


@pytest.fixture
def url(server):
    return server.base_url.replace("127.0.0.1", TOGETHER)


@pytest.mark.parametrize(("work", "library", "variable"), [*WORKS, LANGCHAIN], ids=str)
def test_missing_key(work, library, variable, url, telemetry, keys):
    """One count, one event and one span that name the library and its variable."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        work(url)
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "missing"
    assert event["together.client.library"] == library
    if variable != "TOGETHER_API_KEY":
        assert f"reads {variable}; " in event["together.auth.remedy"]
    assert calls(telemetry) == []


@pytest.mark.parametrize("work", [one[0] for one in WORKS if one[1] != "mirascope"], ids=str)
def test_missing_key_of_another_host(work, telemetry):
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        work(f"https://{ELSEWHERE}/v1")
    assert failures(telemetry) == {}


@CALLS
def test_call(work, library, variable, url, key, telemetry, monkeypatch):
    monkeypatch.setenv(variable, key)
    work(url)
    assert call(telemetry)["together.client.library"] == library
    assert failures(telemetry) == {}


@CALLS
def test_refusal(work, library, variable, url, keys, telemetry, monkeypatch):
    monkeypatch.setenv(variable, keys.together())
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one differs
        work(url)
    event = only_failure(telemetry, keys)
    assert event["together.auth.cause"] == "rejected"
    assert event["together.client.library"] == library
    assert variable in event["together.auth.remedy"]
