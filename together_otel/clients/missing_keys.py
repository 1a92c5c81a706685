"""Constructors and functions of frameworks that fail for a missing key before making a client."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from together_otel.clients import readers
from together_otel.clients.addresses import is_together_url
from together_otel.clients.base import Adapter, GivenKey
from together_otel.clients.callers import CALLERS, LITELLM
from together_otel.clients.failures import class_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.clients.base import Args, Kwargs
    from together_otel.keys import Reader

    Hosts = tuple[str, ...]
    Narrow = Callable[[Reader, Any, Kwargs, Hosts], Reader | None]


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
        narrow: Narrow = lambda reader, _client, _kwargs, _hosts: reader,
    ) -> None:
        self.reader = reader  # type: ignore[misc]  # set per instance here
        self._raises, self._argument, self._narrow = raises, argument, narrow

    def narrowed(self, client: Any, kwargs: Kwargs, hosts: Hosts) -> MissingKey | None:
        """Return the adapter for one call; ``None`` if the call is not for Together.

        ``hosts`` are further hosts that count as Together's.
        """
        reader = self._narrow(self.reader, client, kwargs, hosts)
        return None if reader is None else MissingKey(reader, self._raises, self._argument)

    def given_key(self, client: Any, _args: Args, kwargs: Kwargs) -> GivenKey:
        # LangChain's classes take it as api_key as well.
        names = self._argument, "api_key"
        given = (kwargs.get(name) or getattr(client, name, None) for name in names)
        key = next((one for one in given if isinstance(one, str) and one), self.reader.find()[1])
        return GivenKey(*self.reader.origin(key))

    def lacks_key(self, exc: BaseException, given: GivenKey) -> bool:
        return not given.value and self._raises in class_names(exc)


def _if_for_together(reader: Reader, client: Any, kwargs: Kwargs, _hosts: Hosts) -> Reader | None:
    """Return the reader if a call that supports many providers is for Together."""
    names = (getattr(client, name, None) for name in ("provider", "PROVIDER_NAME"))
    provider = kwargs.get("env_var") or next(filter(None, names), None)
    return reader if provider in ("together", *reader.variables) else None


def _of_model(reader: Reader, _client: Any, kwargs: Kwargs, _hosts: Hosts) -> Reader | None:
    """Return the reader if a call of LiteLLM's is for a model of Together's."""
    provider = kwargs.get("custom_llm_provider") or str(kwargs.get("model")).partition("/")[0]
    return reader if provider == "together_ai" else None


def _of_secret(reader: Reader, client: Any, kwargs: Kwargs, hosts: Hosts) -> Reader | None:
    """Return the reader of a Haystack component for Together; its secret names the variables."""
    base, secret = (
        kwargs.get(name) or getattr(client, name, None) for name in ("api_base_url", "api_key")
    )
    if not is_together_url(base, hosts):
        return None
    variables = ("OPENAI_API_KEY",) if secret is None else getattr(secret, "_env_vars", ())
    name = type(client).__name__
    return replace(reader, name=name, variables=tuple(variables) or reader.variables)


def _of_base_url(reader: Reader, client: Any, kwargs: Kwargs, hosts: Hosts) -> Reader | None:
    """Return the reader of a model of OpenAI's API, if it is one for Together."""
    given = (kwargs.get(name) for name in ("base_url", "url", "api_base"))
    own = (getattr(client, name, None) for name in ("base_url", "api_base"))
    variables = map(os.environ.get, reader.base_urls)
    base = next(filter(None, (*given, *own, *variables)), None)
    return reader if is_together_url(base, hosts) else None


def _of_any_llm(reader: Reader, client: Any, kwargs: Kwargs, hosts: Hosts) -> Reader | None:
    """Return the reader of any-llm's provider, if it is Together's or sends to Together."""
    base = client.ENV_API_BASE_NAME
    if client.PROVIDER_NAME == "together":
        return reader
    found = replace(reader, variables=(client.ENV_API_KEY_NAME,), base_urls=(base,) if base else ())
    return _of_base_url(found, client, kwargs, hosts)


def _of_router(reader: Reader, client: Any, _kwargs: Kwargs, hosts: Hosts) -> Reader | None:
    """Return the reader of DSPy's router, whose base URLs are by provider, if one is Together's."""
    urls = (client.config.base_urls or {}).values()
    return reader if any(is_together_url(url, hosts) for url in urls) else None


_by_base_url: Final = partial(MissingKey, narrow=_of_base_url)

ADAPTERS: Final = {
    "pydantic_ai": MissingKey(readers.PYDANTIC_AI, "UserError"),
    "haystack": MissingKey(readers.HAYSTACK, "ValueError", narrow=_of_secret),
    "agno": MissingKey(readers.AGNO, "ModelAuthenticationError"),
    "agno_chat": _by_base_url(readers.AGNO_OPENAI, "ModelAuthenticationError"),
    "agno_responses": _by_base_url(
        replace(readers.AGNO_OPENAI, name="OpenAIResponses"), "ModelAuthenticationError"
    ),
    "crewai": _by_base_url(readers.CREWAI, "ValueError"),
    "deepeval": _by_base_url(readers.DEEPEVAL, "DeepEvalError"),
    "deepeval_local": _by_base_url(readers.DEEPEVAL_LOCAL, "DeepEvalError"),
    "deepeval_embedding": _by_base_url(readers.DEEPEVAL_EMBEDDING, "DeepEvalError"),
    "dspy": MissingKey(CALLERS["dspy"], "NotConfiguredError", narrow=_of_router),
    "any_llm": MissingKey(readers.ANY_LLM, "MissingApiKeyError", narrow=_of_any_llm),
    "llm": _by_base_url(readers.LLM, "NeedsKeyException"),
    "mirascope": MissingKey(readers.MIRASCOPE, "ValueError"),
    "instructor": MissingKey(readers.INSTRUCTOR, "ConfigurationError", narrow=_if_for_together),
    "camel": MissingKey(readers.CAMEL, "ValueError"),
    "camel_openai": _by_base_url(readers.CAMEL_OPENAI, "ValueError"),
    "semantic_kernel": _by_base_url(readers.SEMANTIC_KERNEL, "ServiceInitializationError"),
    "huggingface_hub": MissingKey(
        CALLERS["huggingface_hub"], "ValueError", narrow=_if_for_together
    ),
    "llama_index": MissingKey(CALLERS["llama_index"], "ValidationError"),
    "langchain": MissingKey(CALLERS["langchain_together"], "ValueError", "together_api_key"),
    "aisuite": MissingKey(CALLERS["aisuite"], "ValueError"),
    "litellm": MissingKey(LITELLM, "APIConnectionError", narrow=_of_model),
}
"""By the names in `calls.places.PLACES`."""
