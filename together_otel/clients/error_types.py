"""What ``error.type`` may be: classes of known packages, so that a label cannot grow.

``exception.type`` beside it is always the exact class.
"""

import sys
from typing import Final

from together_otel.keys import public_name

OTHER: Final = "_OTHER"
"""OpenTelemetry's own word for an error of which nothing better is known."""

PACKAGES: Final = (
    *("together", "together_ai", "openai", "litellm", "huggingface_hub", "pydantic_ai", "agno"),
    *("instructor", "llama_index", "langchain_core", "haystack", "camel", "aisuite"),
    *("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp", "websockets"),
    *("pydantic", "pydantic_core", "anyio", "trio", "greenlet", "gevent"),
    *("asyncio", "binascii", "concurrent", "http", "json", "socket", "ssl", "zlib", "builtins"),
)
"""The packages whose exceptions count as themselves."""

_TOO_GENERAL: Final = (Exception, BaseException, object)


def error_type(exc: BaseException) -> str:
    """Return the ``error.type`` of an exception: the first of its classes that is known.

    Known is what a module of `PACKAGES` has under the class's name, so that classes made while
    the application runs do not count. Where a call failed without an exception (1.x hands some
    errors on as data), its outcome stands there instead.
    """
    for cls in type(exc).__mro__:
        module = str(cls.__module__)
        if (
            module.partition(".")[0] in PACKAGES
            and cls not in _TOO_GENERAL
            and cls.__qualname__ in getattr(sys.modules.get(module), "__dict__", ())
        ):
            return public_name(cls)
    return OTHER
