"""Table of clients: what is instrumented of each, and the tested releases of its packages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
GROUPS = ("frameworks-lowest", "frameworks-heavy", "light-lowest", "proxy", "frameworks")
"""Dependency groups that pin a client's releases."""
MISSING = "missing keys; calls, through openai"
IMITATED = (
    ("semantic-kernel: `OpenAIChatCompletion`", MISSING, "1.45.0"),
    (
        "any-llm: the providers `together` and `openai`",
        "missing keys; calls, through `together` and openai",
        "1.40.2",
    ),
    ("llm, models with an `api_base`", MISSING, "0.36"),
)

CLIENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "`openai`",
        (
            "every method, streams, raw responses, websocket handshakes, keys from a function; of requests to other hosts,"
            " only a 401 for a key of Together's shape"
        ),
        ("openai",),
    ),
    (
        "LangChain: `ChatTogether`, `TogetherEmbeddings`, `Together`, `ChatOpenAI`",
        "calls, streams, embeddings, missing keys",
        ("langchain-together", "langchain-openai"),
    ),
    (
        "LlamaIndex: `TogetherLLM`, `TogetherEmbedding`",
        "calls, missing keys",
        ("llama-index-llms-together", "llama-index-embeddings-together"),
    ),
    (
        "Haystack: `TogetherAIChatGenerator`, `OpenAIChatGenerator`, OpenAI's embedders and images",
        "calls, missing keys",
        ("togetherai-haystack",),
    ),
    ("pydantic-ai", "calls, missing keys", ("pydantic-ai-slim",)),
    ("agno", "calls, missing keys, even if the agent returns a run with an error", ("agno",)),
    ("instructor", MISSING, ("instructor",)),
    ("camel", MISSING, ("camel-ai",)),
    ("aisuite", "missing keys; calls, as HTTP requests", ("aisuite",)),
    (
        'huggingface_hub: `InferenceClient(provider="together")`',
        "missing keys; calls, as HTTP requests",
        ("huggingface-hub",),
    ),
    ("CrewAI, deepeval", MISSING, ("crewai", "deepeval")),
    ("mirascope", MISSING, ("mirascope",)),
    (
        "`Together` of langchain_community",
        "missing keys; calls, as HTTP requests",
        ("langchain-community",),
    ),
    (
        "LiteLLM",
        "completions, embeddings, rerank, even if a fallback answers; the proxy",
        ("litellm",),
    ),
    (
        "DSPy",
        "missing keys; calls by LiteLLM, and from 3.4 on by its own transport, lm15",
        ("dspy",),
    ),
)


def _pins() -> Iterator[tuple[str, str]]:
    """Yield the packages and releases that test lanes pin."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for package, variable in (("openai", "OPENAIS"), ("litellm", "LITELLM")):
        listed = re.search(rf"^{variable} := (.+)$", makefile, re.MULTILINE)
        for release in (listed[1] if listed else "").split():
            yield package, release
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for group in GROUPS:
        listed = re.search(rf"^{group} = \[\n(.*?)^\]$", project, re.MULTILINE | re.DOTALL)
        found = re.findall(r'"([\w.-]+)(?:\[\w+\])?==([\d.]+)"', listed[1] if listed else "")
        if not found:
            raise ValueError(f"the group {group} pins nothing")
        yield from found


def releases() -> dict[str, list[str]]:
    """Return the tested releases of each package, lowest first.

    Raises:
        ValueError: if a dependency group is missing or pins nothing.
    """
    found: dict[str, set[str]] = {}
    for package, release in _pins():
        found.setdefault(package, set()).add(release)
    return {
        package: sorted(every, key=lambda one: tuple(map(int, one.split("."))))
        for package, every in found.items()
    }


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table."""
    yield (
        "`together`",
        "every method, streams, uploads, realtime sessions",
        ("see [supported versions](../reference/versions.md)"),
    )
    tested = releases()
    for client, seen, packages in CLIENTS:
        yield client, seen, "; ".join(f"{one} {', '.join(tested[one])}" for one in packages)
    for client, seen, release in IMITATED:
        yield client, seen, f"test doubles; by hand, {release}"
    yield (
        "httpx, httpx2, requests, aiohttp",
        "requests to Together's hosts, except those of the clients above",
        "httpx 0.27 and 0.28, httpx2 2, requests 2, aiohttp 3",
    )
    yield "websockets", "handshakes, except those of the clients above", "websockets 13 and 17"
