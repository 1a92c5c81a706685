"""The values of ``error.type``: classes of known packages only, which bounds the label.

``exception.type`` beside it is always the exact class.
"""

import sys
from typing import Final

from together_otel.keys import public_name
from together_otel.names import OTHER_ERROR

PACKAGES: Final = (
    *("together", "together_ai", "openai", "litellm", "huggingface_hub", "pydantic_ai", "agno"),
    *("instructor", "llama_index", "langchain_core", "haystack", "camel", "aisuite"),
    *("any_llm", "deepeval", "dspy", "semantic_kernel"),
    *("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp", "websockets"),
    *("pydantic", "pydantic_core", "anyio", "trio", "greenlet", "gevent"),
    *("asyncio", "binascii", "concurrent", "http", "json", "socket", "ssl", "zlib", "builtins"),
)
"""Packages whose exception classes are used as ``error.type``."""

_TOO_GENERAL: Final = (Exception, BaseException, object)


def error_type(exc: BaseException) -> str:
    """Return the ``error.type`` of an exception: the first of its classes that is known.

    A class is known if a module of `PACKAGES` has it under its name, which excludes classes that
    are created at run time. A call that failed without an exception, as SDK 1.x returns some errors
    as data, has its outcome as ``error.type`` instead.
    """
    for cls in type(exc).__mro__:
        module = str(cls.__module__)
        if (
            module.partition(".")[0] in PACKAGES
            and cls not in _TOO_GENERAL
            and cls.__qualname__ in getattr(sys.modules.get(module), "__dict__", ())
        ):
            return public_name(cls)
    return OTHER_ERROR
