"""Environment variables, in order, and base URLs of clients that use Together without its SDK."""

import sys
from dataclasses import replace
from types import FrameType
from typing import Final

from together_otel.clients.callers import CALLERS, LITELLM, LITELLM_OPENAI, OPENAI, is_for_openai
from together_otel.clients.sent import outward
from together_otel.keys import TOGETHER, Reader
from together_otel.names import KEY_VARIABLE

_OPENAI: Final = "OPENAI_API_KEY"
_BASES: Final = ("OPENAI_API_BASE", "OPENAI_BASE_URL")

AZURE: Final = Reader(
    "openai", "AzureOpenAI", ("AZURE_OPENAI_API_KEY",), ("AZURE_OPENAI_ENDPOINT",)
)
CHAT_TOGETHER: Final = Reader(
    "langchain", "ChatTogether", (KEY_VARIABLE, _OPENAI), ("TOGETHER_API_BASE",)
)
LLAMA_INDEX: Final = Reader(
    "llama_index", "TogetherLLM", (KEY_VARIABLE, _OPENAI), skips_empty=True, stand_in=""
)
HAYSTACK: Final = Reader("haystack", "TogetherAIChatGenerator")
PYDANTIC_AI: Final = Reader("pydantic_ai", "TogetherProvider", skips_empty=True)
AGNO: Final = Reader("agno", "Together", skips_empty=True)
AGNO_OPENAI: Final = Reader("agno", "OpenAIChat", (_OPENAI,), skips_empty=True)
INSTRUCTOR: Final = Reader("instructor", "from_provider", skips_empty=True)
CAMEL: Final = Reader(
    "camel", "TogetherAIModel", base_urls=("TOGETHER_API_BASE_URL",), skips_empty=True
)
CAMEL_OPENAI: Final = Reader(
    "camel", "OpenAIModel", (_OPENAI,), ("OPENAI_API_BASE_URL",), skips_empty=True
)
CREWAI: Final = Reader("crewai", "crewai.LLM", (_OPENAI,), ("OPENAI_BASE_URL",), skips_empty=True)
DEEPEVAL: Final = Reader("deepeval", "OpenAIModel", (_OPENAI,), skips_empty=True)
DEEPEVAL_LOCAL: Final = Reader(
    "deepeval", "LocalModel", ("LOCAL_MODEL_API_KEY",), ("LOCAL_MODEL_BASE_URL",), skips_empty=True
)
DEEPEVAL_EMBEDDING: Final = Reader(
    *("deepeval", "LocalEmbeddingModel", ("LOCAL_EMBEDDING_API_KEY",)),
    base_urls=("LOCAL_EMBEDDING_BASE_URL",),
    skips_empty=True,
)
SEMANTIC_KERNEL: Final = Reader(
    "semantic_kernel", "OpenAIChatCompletion", (_OPENAI,), ("OPENAI_BASE_URL",), skips_empty=True
)
LLM: Final = Reader("llm", "llm", (_OPENAI,), skips_empty=True)
ANY_LLM: Final = Reader("any_llm", "AnyLLM", skips_empty=True)
MIRASCOPE: Final = Reader("mirascope", "TogetherProvider", skips_empty=True)
_AGENTS: Final = Reader("openai-agents", "OpenAIProvider", (_OPENAI,))
_OPENAI_LIKE: Final = replace(
    LLAMA_INDEX, name="OpenAILike", variables=(_OPENAI,), base_urls=_BASES
)
_OPENAI_PROVIDER: Final = Reader(
    *("pydantic_ai", "OpenAIProvider", (_OPENAI,), ("OPENAI_BASE_URL",)),
    stand_in="api-key-not-set",
)
_MAKERS: Final[tuple[tuple[str, str | None, Reader], ...]] = (
    ("langchain_together.chat_models", None, CHAT_TOGETHER),
    ("langchain_together.embeddings", None, replace(CHAT_TOGETHER, name="TogetherEmbeddings")),
    *(
        (module, None, Reader("langchain", "ChatOpenAI", (_OPENAI,), _BASES))
        for module in ("langchain_openai", "langchain_community")
    ),
    ("llama_index", "llama_index.llms.together", LLAMA_INDEX),
    ("llama_index", None, _OPENAI_LIKE),
    ("haystack", "haystack_integrations.components.generators.togetherai", HAYSTACK),
    ("haystack", None, Reader("haystack", "OpenAIChatGenerator", (_OPENAI,))),
    ("pydantic_ai", "pydantic_ai.providers.together", PYDANTIC_AI),
    ("pydantic_ai", None, _OPENAI_PROVIDER),
    ("agno", "agno.models.together", AGNO),
    ("agno", None, AGNO_OPENAI),
    ("instructor", None, INSTRUCTOR),
    ("camel.models.openai_model", None, CAMEL_OPENAI),
    ("camel", None, CAMEL),
    ("mirascope", "mirascope.llm.providers.together", MIRASCOPE),
    ("semantic_kernel", None, SEMANTIC_KERNEL),
    # For embeddings and text completions; before LiteLLM 1.100 for all calls.
    ("litellm", None, replace(LITELLM, variables=(*LITELLM.variables, _OPENAI))),
    # Not of any module that an application calls llm.
    ("llm.default_plugins", None, LLM),
    ("crewai", None, CREWAI),
    ("deepeval.models.llms.local_model", None, DEEPEVAL_LOCAL),
    ("deepeval.models.embedding_models.local_embedding_model", None, DEEPEVAL_EMBEDDING),
    ("deepeval", None, DEEPEVAL),
    ("smolagents", None, Reader("smolagents", "OpenAIModel", (_OPENAI,))),
    ("agents", "agents.models.openai_provider", _AGENTS),
    ("strands", None, Reader("strands", "OpenAIModel", (_OPENAI,))),
    ("autogen_ext", None, Reader("autogen", "OpenAIChatCompletionClient", (_OPENAI,))),
)
"""Package or module that creates an openai client, the module it does so for, reader."""

_PACKAGES: Final = frozenset(module.partition(".")[0] for module, _, _ in _MAKERS)

CLIENTS: Final = {
    one.library: one
    for one in (
        *(TOGETHER, OPENAI, LITELLM, CHAT_TOGETHER, LLAMA_INDEX, HAYSTACK, PYDANTIC_AI, AGNO),
        *(INSTRUCTOR, CAMEL, CALLERS["aisuite"], CALLERS["huggingface_hub"]),
    )
}
"""Clients by the names that commands accept."""

_DEEPEST: Final = 60
"""Maximum number of frames that are examined."""


def maker(frame: FrameType) -> Reader | None:
    """Return the reader of the innermost framework that is creating a client, ``None`` for none."""
    for outer in outward(frame, _DEEPEST):
        if (package := (name := _name_of(outer)).partition(".")[0]) in _PACKAGES:
            for module, client, reader in _MAKERS:
                if _is_in(name, module) and (client is None or _is_for(client, outer)):
                    is_openais = package == "litellm" and is_for_openai(outer)
                    return LITELLM_OPENAI if is_openais else reader
    return None


def _is_for(module: str, frame: FrameType) -> bool:
    """Return whether a function of a module, or a method of its class's object, is running."""
    if module not in sys.modules:
        return False
    for outer in outward(frame, _DEEPEST):
        if _is_in(name := _name_of(outer), module):
            return True
        # Not of the application's frames: what it deletes must not stay alive in f_locals.
        if name.partition(".")[0] in _PACKAGES:
            classes = type(outer.f_locals.get("self")).__mro__
            if any(_is_in(cls.__module__, module) for cls in classes):
                return True
    return False


def _name_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_in(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")
