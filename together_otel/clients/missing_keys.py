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
    provider = kwargs.get("env_var") or getattr(client, "provider", None)
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


_HAYSTACK: Final = MissingKey(HAYSTACK, "ValueError", narrow=_of_secret)
_CREWAI: Final = MissingKey(CREWAI, "ValueError", narrow=_of_base_url)
_DSPY: Final = MissingKey(CALLERS["dspy"], "NotConfiguredError", narrow=_of_router)

PLACES: Final[tuple[tuple[str, str, MissingKey], ...]] = (
    (
        "pydantic_ai.providers.together",
        "TogetherProvider.__init__",
        MissingKey(PYDANTIC_AI, "UserError"),
    ),
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
    (
        "agno.models.together.together",
        "Together._get_client_params",
        MissingKey(AGNO, "ModelAuthenticationError"),
    ),
    *(
        (
            f"agno.models.openai.{module}",
            f"{cls}._get_client_params",
            MissingKey(
                replace(AGNO_OPENAI, name=cls), "ModelAuthenticationError", narrow=_of_base_url
            ),
        )
        for module, cls in (("chat", "OpenAIChat"), ("responses", "OpenAIResponses"))
    ),
    *(
        (
            "crewai.llms.providers.openai.completion",
            # The constructor passes over the error in releases that make clients when called.
            f"OpenAICompletion.{method}|OpenAICompletion._get_client_params",
            _CREWAI,
        )
        for method in ("_get_sync_client", "_get_async_client")
    ),
    (
        "deepeval.models.llms.openai_model",
        "OpenAIModel._build_client|GPTModel._build_client",
        MissingKey(DEEPEVAL, "DeepEvalError", narrow=_of_base_url),
    ),
    (
        "deepeval.models.llms.local_model",
        "LocalModel._build_client",
        MissingKey(DEEPEVAL_LOCAL, "DeepEvalError", narrow=_of_base_url),
    ),
    (
        "deepeval.models.embedding_models.local_embedding_model",
        "LocalEmbeddingModel._build_client",
        MissingKey(DEEPEVAL_EMBEDDING, "DeepEvalError", narrow=_of_base_url),
    ),
    *(
        ("dspy._vendor.lm15.router", f"{cls}.{method}", _DSPY)
        for cls in ("LMRouter", "AsyncLMRouter")
        for method in ("resolve", "lm")  # with an empty key; without one
    ),
    (
        "mirascope.llm.providers.together.provider",
        "TogetherProvider.__init__",
        MissingKey(MIRASCOPE, "ValueError"),
    ),
    (
        "instructor.v2.auto_client",
        "_build_openai_compatible",
        MissingKey(INSTRUCTOR, "ConfigurationError", narrow=_if_for_together),
    ),
    (
        "camel.models.togetherai_model",
        "TogetherAIModel.__init__",
        MissingKey(CAMEL, "ValueError"),
    ),
    (
        "camel.models.openai_model",
        "OpenAIModel.__init__",
        MissingKey(CAMEL_OPENAI, "ValueError", narrow=_of_base_url),
    ),
    *(
        (
            f"semantic_kernel.connectors.ai.open_ai.services.{module}",
            f"{cls}.__init__",
            MissingKey(SEMANTIC_KERNEL, "ServiceInitializationError", narrow=_of_base_url),
        )
        for module, cls in (
            ("open_ai_chat_completion", "OpenAIChatCompletion"),
            ("open_ai_config_base", "OpenAIConfigBase"),
        )
    ),
    (
        "huggingface_hub.inference._providers._common",
        "TaskProviderHelper._prepare_api_key",
        MissingKey(CALLERS["huggingface_hub"], "ValueError", narrow=_if_for_together),
    ),
    (
        "llama_index.embeddings.together.base",
        "TogetherEmbedding.__init__",
        MissingKey(CALLERS["llama_index"], "ValidationError"),
    ),
    *(
        (
            module,
            "Together.__init__",
            MissingKey(CALLERS["langchain_together"], "ValueError", "together_api_key"),
        )
        for module in ("langchain_together.llms", "langchain_community.llms.together")
    ),
    (
        "aisuite.providers.together_provider",
        "TogetherProvider.__init__",
        MissingKey(CALLERS["aisuite"], "ValueError"),
    ),
    *(
        # The package has the function as well, as it was when the package was imported.
        (module, "rerank", MissingKey(LITELLM, "APIConnectionError", narrow=_of_model))
        for module in ("litellm.rerank_api.main", "litellm")
    ),
)
"""Module, function or method, and adapter of each."""
