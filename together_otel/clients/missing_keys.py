"""Constructors and functions of frameworks that fail for a missing key before making a client."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from together_otel.clients.base import Adapter, GivenKey
from together_otel.clients.callers import CALLERS, LITELLM
from together_otel.clients.failures import class_names
from together_otel.clients.readers import (
    AGNO,
    AGNO_OPENAI,
    ANY_LLM,
    CAMEL,
    CAMEL_OPENAI,
    CREWAI,
    DEEPEVAL,
    DEEPEVAL_EMBEDDING,
    DEEPEVAL_LOCAL,
    HAYSTACK,
    INSTRUCTOR,
    MIRASCOPE,
    PYDANTIC_AI,
    SEMANTIC_KERNEL,
)
from together_otel.keys import Reader, hosts_in, is_together_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.clients.base import Args, Kwargs

    Narrow = Callable[[Reader, Any, Kwargs], Reader | None]


class MissingKey(Adapter):
    """Adapter of one such constructor or function, of which only the failures are reported.

    ``raises`` is the name of the exception's class, ``argument`` that of the key's. ``narrow``
    returns the reader for a call, ``None`` if the call is not for Together.
    """

    def __init__(
        self,
        reader: Reader,
        raises: str,
        argument: str = "api_key",
        narrow: Narrow = lambda reader, _client, _kwargs: reader,
    ) -> None:
        self.reader = reader  # type: ignore[misc]  # set per instance here
        self._raises, self._argument, self._narrow = raises, argument, narrow

    def narrowed(self, client: Any, kwargs: Kwargs) -> MissingKey | None:
        """Return the adapter for one call; ``None`` if the call is not for Together."""
        reader = self._narrow(self.reader, client, kwargs)
        if reader is None or reader is self.reader:
            return None if reader is None else self
        return MissingKey(reader, self._raises, self._argument)

    def given_key(self, client: Any, _args: Args, kwargs: Kwargs) -> GivenKey:
        # LangChain's classes take it as api_key as well.
        names = self._argument, "api_key"
        given = (kwargs.get(name) or getattr(client, name, None) for name in names)
        key = next((one for one in given if isinstance(one, str) and one), self.reader.find()[1])
        return GivenKey(*self.reader.origin(key))

    def lacks_key(self, exc: BaseException, given: GivenKey) -> bool:
        return not given.value and self._raises in class_names(exc)


def _if_for_together(reader: Reader, client: Any, kwargs: Kwargs) -> Reader | None:
    """Return the reader if a call that supports many providers is for Together."""
    names = (getattr(client, name, None) for name in ("provider", "PROVIDER_NAME"))
    provider = kwargs.get("env_var") or next(filter(None, names), None)
    return reader if provider in ("together", *reader.variables) else None


def _of_model(reader: Reader, _client: Any, kwargs: Kwargs) -> Reader | None:
    """Return the reader if a call of LiteLLM's is for a model of Together's."""
    provider = kwargs.get("custom_llm_provider") or str(kwargs.get("model")).partition("/")[0]
    return reader if provider == "together_ai" else None


def _of_secret(reader: Reader, client: Any, kwargs: Kwargs) -> Reader | None:
    """Return the reader of a Haystack component for Together; its secret names the variables."""
    base, secret = (
        kwargs.get(name) or getattr(client, name, None) for name in ("api_base_url", "api_key")
    )
    if not _is_together(base):
        return None
    variables = ("OPENAI_API_KEY",) if secret is None else getattr(secret, "_env_vars", ())
    name = type(client).__name__
    return replace(reader, name=name, variables=tuple(variables) or reader.variables)


def _of_base_url(reader: Reader, client: Any, kwargs: Kwargs) -> Reader | None:
    """Return the reader of a model of OpenAI's API, if it is one for Together."""
    given = (kwargs.get(name) for name in ("base_url", "url"))
    variables = map(os.environ.get, reader.base_urls)
    base = next(filter(None, (*given, getattr(client, "base_url", None), *variables)), None)
    return reader if _is_together(base) else None


def _of_router(reader: Reader, client: Any, _kwargs: Kwargs) -> Reader | None:
    """Return the reader of DSPy's router, whose base URLs are by provider, if one is Together's."""
    urls = (client.config.base_urls or {}).values()
    return reader if any(map(_is_together, urls)) else None


def _is_together(base_url: object) -> bool:
    hosts = hosts_in(str(base_url or ""))
    return bool(hosts) and is_together_host(hosts[0])


def _by_base_url(reader: Reader, raises: str) -> MissingKey:
    return MissingKey(reader, raises, narrow=_of_base_url)


_PYDANTIC_AI: Final = MissingKey(PYDANTIC_AI, "UserError")
_HAYSTACK: Final = MissingKey(HAYSTACK, "ValueError", narrow=_of_secret)
_AGNO: Final = MissingKey(AGNO, "ModelAuthenticationError")
_AGNO_CHAT: Final = _by_base_url(AGNO_OPENAI, "ModelAuthenticationError")
_AGNO_RESPONSES: Final = _by_base_url(
    replace(AGNO_OPENAI, name="OpenAIResponses"), "ModelAuthenticationError"
)
_CREWAI: Final = _by_base_url(CREWAI, "ValueError")
_DEEPEVAL: Final = _by_base_url(DEEPEVAL, "DeepEvalError")
_DEEPEVAL_LOCAL: Final = _by_base_url(DEEPEVAL_LOCAL, "DeepEvalError")
_DEEPEVAL_EMBEDDING: Final = _by_base_url(DEEPEVAL_EMBEDDING, "DeepEvalError")
_DSPY: Final = MissingKey(CALLERS["dspy"], "NotConfiguredError", narrow=_of_router)
_ANY_LLM: Final = MissingKey(ANY_LLM, "MissingApiKeyError", narrow=_if_for_together)
_MIRASCOPE: Final = MissingKey(MIRASCOPE, "ValueError")
_INSTRUCTOR: Final = MissingKey(INSTRUCTOR, "ConfigurationError", narrow=_if_for_together)
_CAMEL: Final = MissingKey(CAMEL, "ValueError")
_CAMEL_OPENAI: Final = _by_base_url(CAMEL_OPENAI, "ValueError")
_SEMANTIC_KERNEL: Final = _by_base_url(SEMANTIC_KERNEL, "ServiceInitializationError")
_HUB: Final = MissingKey(CALLERS["huggingface_hub"], "ValueError", narrow=_if_for_together)
_LLAMA_INDEX: Final = MissingKey(CALLERS["llama_index"], "ValidationError")
_LANGCHAIN: Final = MissingKey(CALLERS["langchain_together"], "ValueError", "together_api_key")
_AISUITE: Final = MissingKey(CALLERS["aisuite"], "ValueError")
_LITELLM: Final = MissingKey(LITELLM, "APIConnectionError", narrow=_of_model)

_COMPLETION: Final = "crewai.llms.providers.openai.completion"
_SERVICES: Final = "semantic_kernel.connectors.ai.open_ai.services"
_DEEPEVAL_MODEL: Final = "deepeval.models.llms.openai_model"
_PROVIDERS: Final = "huggingface_hub.inference._providers._common"
_EMBEDDINGS: Final = "deepeval.models.embedding_models.local_embedding_model"

PLACES: Final[tuple[tuple[str, str, MissingKey], ...]] = (
    ("pydantic_ai.providers.together", "TogetherProvider.__init__", _PYDANTIC_AI),
    *(
        (f"haystack.components.{module}", f"{cls}._client_kwargs|{cls}.__init__", _HAYSTACK)
        for module, cls in (  # from 3.0 on; before
            ("generators.chat.openai", "OpenAIChatGenerator"),
            ("generators.chat.openai_responses", "OpenAIResponsesChatGenerator"),
            ("generators.openai_image_generator", "OpenAIImageGenerator"),
            ("embedders.openai_text_embedder", "OpenAITextEmbedder"),
            ("embedders.openai_document_embedder", "OpenAIDocumentEmbedder"),
        )
    ),
    ("agno.models.together.together", "Together._get_client_params", _AGNO),
    ("agno.models.openai.chat", "OpenAIChat._get_client_params", _AGNO_CHAT),
    ("agno.models.openai.responses", "OpenAIResponses._get_client_params", _AGNO_RESPONSES),
    *(
        # The constructor passes over the error in releases that make clients when called.
        (_COMPLETION, f"OpenAICompletion.{name}|OpenAICompletion._get_client_params", _CREWAI)
        for name in ("_get_sync_client", "_get_async_client")
    ),
    (_DEEPEVAL_MODEL, "OpenAIModel._build_client|GPTModel._build_client", _DEEPEVAL),
    ("deepeval.models.llms.local_model", "LocalModel._build_client", _DEEPEVAL_LOCAL),
    (_EMBEDDINGS, "LocalEmbeddingModel._build_client", _DEEPEVAL_EMBEDDING),
    *(
        ("dspy._vendor.lm15.router", f"{cls}.{method}", _DSPY)
        for cls in ("LMRouter", "AsyncLMRouter")
        for method in ("resolve", "lm")  # with an empty key; without one
    ),
    ("any_llm.any_llm", "AnyLLM._verify_and_set_api_key", _ANY_LLM),
    ("mirascope.llm.providers.together.provider", "TogetherProvider.__init__", _MIRASCOPE),
    ("instructor.v2.auto_client", "_build_openai_compatible", _INSTRUCTOR),
    ("camel.models.togetherai_model", "TogetherAIModel.__init__", _CAMEL),
    ("camel.models.openai_model", "OpenAIModel.__init__", _CAMEL_OPENAI),
    (f"{_SERVICES}.open_ai_chat_completion", "OpenAIChatCompletion.__init__", _SEMANTIC_KERNEL),
    (f"{_SERVICES}.open_ai_config_base", "OpenAIConfigBase.__init__", _SEMANTIC_KERNEL),
    (_PROVIDERS, "TaskProviderHelper._prepare_api_key", _HUB),
    ("llama_index.embeddings.together.base", "TogetherEmbedding.__init__", _LLAMA_INDEX),
    ("langchain_together.llms", "Together.__init__", _LANGCHAIN),
    ("langchain_community.llms.together", "Together.__init__", _LANGCHAIN),
    ("aisuite.providers.together_provider", "TogetherProvider.__init__", _AISUITE),
    # The package has the function as well, as it was when the package was imported.
    ("litellm.rerank_api.main", "rerank", _LITELLM),
    ("litellm", "rerank", _LITELLM),
)
"""Module, function or method, and adapter of each."""
