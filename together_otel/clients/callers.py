"""The libraries that send HTTP requests to Together, and the sources of their keys."""

import sys
from dataclasses import replace
from functools import lru_cache
from types import FrameType
from typing import Final

from together_otel.clients.sent import outward
from together_otel.keys import TOGETHER, Reader
from together_otel.names import KEY_VARIABLE

_BETWEEN: Final = (
    *("httpx", "httpx2", "requests", "aiohttp", "websockets"),
    *("contextlib", "opentelemetry", "together_otel"),
)
"""Packages whose frames may lie between the caller of a request and the function that sends it."""

_MOST: Final = 40

LITELLM: Final = Reader(
    "litellm",
    "LiteLLM",
    (KEY_VARIABLE, "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"),
    base_urls=("TOGETHER_AI_API_BASE",),
    skips_empty=True,
)

OPENAI: Final = Reader(
    "openai", "OpenAI", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",), "OPENAI_CUSTOM_HEADERS"
)

LITELLM_OPENAI: Final = replace(
    LITELLM,
    variables=("OPENAI_API_KEY",),
    base_urls=("OPENAI_API_BASE", "OPENAI_BASE_URL"),
    stand_in="None",
)

IN_HOUSE: Final = Reader("together_ai", "TogetherAI", base_urls=TOGETHER.base_urls)

CALLERS: Final = {
    "together_ai": IN_HOUSE,
    "openai": OPENAI,  # for its websockets
    "litellm": LITELLM,
    "huggingface_hub": Reader(
        "huggingface_hub", "InferenceClient", ("HF_TOKEN",), skips_empty=True
    ),
    "aisuite": Reader("aisuite", "aisuite"),
    "dspy": Reader("dspy", "dspy.LM", ("OPENAI_API_KEY",), ("OPENAI_API_BASE", "OPENAI_BASE_URL")),
    **dict.fromkeys(("langchain_together", "langchain_community"), Reader("langchain", "Together")),
    "llama_index": Reader("llama_index", "TogetherEmbedding"),
}
"""Packages that send requests to Together through an HTTP library."""


def by_http(library: str) -> Reader:
    """Return the reader of an application that calls an HTTP library directly."""
    return Reader(library, library, given="header")


def caller(otherwise: Reader) -> Reader:
    """Return the reader, of `CALLERS`, of the library that makes a request in this thread."""
    frame: FrameType | None = sys._getframe(1)
    left = _MOST
    while frame is not None and left:
        is_between, found = _of_module(str(frame.f_globals.get("__name__")))
        if not is_between:
            return (
                LITELLM_OPENAI if found is LITELLM and is_for_openai(frame) else found or otherwise
            )
        frame, left = frame.f_back, left - 1
    return otherwise


def is_for_openai(frame: FrameType) -> bool:
    """Return whether LiteLLM is at work for a model of openai's, such as ``openai/…``."""
    for outer in outward(frame, 60):
        name = str(outer.f_globals.get("__name__"))
        if (
            name.startswith("litellm.")
            and name.endswith(".main")
            and (provider := outer.f_locals.get("custom_llm_provider"))
        ):
            return bool(provider != "together_ai")
    return False


@lru_cache(maxsize=1024)
def _of_module(name: str) -> tuple[bool, Reader | None]:
    package = name.partition(".")[0]
    return package in _BETWEEN, CALLERS.get(package)
