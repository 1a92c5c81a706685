"""The places in frameworks that fail for a missing key, which every instrumented process watches."""

from typing import Final

_HAYSTACK: Final = "haystack.components"
_DEEPEVAL: Final = "deepeval.models"
_SERVICES: Final = "semantic_kernel.connectors.ai.open_ai.services"

PLACES: Final = (
    ("pydantic_ai", "pydantic_ai.providers.together", "TogetherProvider.__init__"),
    *(
        ("haystack", f"{_HAYSTACK}.{module}", f"{cls}._client_kwargs|{cls}.__init__")
        for module, cls in (  # from 3.0 on; before
            ("generators.chat.openai", "OpenAIChatGenerator"),
            ("generators.chat.openai_responses", "OpenAIResponsesChatGenerator"),
            ("generators.openai_image_generator", "OpenAIImageGenerator"),
            ("embedders.openai_text_embedder", "OpenAITextEmbedder"),
            ("embedders.openai_document_embedder", "OpenAIDocumentEmbedder"),
        )
    ),
    ("agno", "agno.models.together.together", "Together._get_client_params"),
    ("agno_chat", "agno.models.openai.chat", "OpenAIChat._get_client_params"),
    ("agno_responses", "agno.models.openai.responses", "OpenAIResponses._get_client_params"),
    *(
        # The constructor passes over the error in releases that make clients when called.
        (
            "crewai",
            "crewai.llms.providers.openai.completion",
            f"OpenAICompletion.{name}|OpenAICompletion._get_client_params",
        )
        for name in ("_get_sync_client", "_get_async_client")
    ),
    (
        "deepeval",
        f"{_DEEPEVAL}.llms.openai_model",
        "OpenAIModel._build_client|GPTModel._build_client",
    ),
    ("deepeval_local", f"{_DEEPEVAL}.llms.local_model", "LocalModel._build_client"),
    (
        "deepeval_embedding",
        f"{_DEEPEVAL}.embedding_models.local_embedding_model",
        "LocalEmbeddingModel._build_client",
    ),
    *(
        ("dspy", "dspy._vendor.lm15.router", f"{cls}.{method}")
        for cls in ("LMRouter", "AsyncLMRouter")
        for method in ("resolve", "lm")  # with an empty key; without one
    ),
    ("any_llm", "any_llm.any_llm", "AnyLLM.__init__"),
    ("llm", "llm.models", "_get_key_mixin.get_key"),
    ("mirascope", "mirascope.llm.providers.together.provider", "TogetherProvider.__init__"),
    ("instructor", "instructor.v2.auto_client", "_build_openai_compatible"),
    ("camel", "camel.models.togetherai_model", "TogetherAIModel.__init__"),
    ("camel_openai", "camel.models.openai_model", "OpenAIModel.__init__"),
    ("semantic_kernel", f"{_SERVICES}.open_ai_chat_completion", "OpenAIChatCompletion.__init__"),
    ("semantic_kernel", f"{_SERVICES}.open_ai_config_base", "OpenAIConfigBase.__init__"),
    (
        "huggingface_hub",
        "huggingface_hub.inference._providers._common",
        "TaskProviderHelper._prepare_api_key",
    ),
    ("llama_index", "llama_index.embeddings.together.base", "TogetherEmbedding.__init__"),
    ("langchain", "langchain_together.llms", "Together.__init__"),
    ("langchain", "langchain_community.llms.together", "Together.__init__"),
    ("aisuite", "aisuite.providers.together_provider", "TogetherProvider.__init__"),
    # The package has the function as well, as it was when the package was imported.
    ("litellm", "litellm.rerank_api.main", "rerank"),
    ("litellm", "litellm", "rerank"),
)
"""Adapter in `clients.missing_keys`, module, and function or method; alternatives as in `targets`."""
