"""The SDKs' own classes for a key that fails, and what one without an answer holds."""

from __future__ import annotations

import sys
from typing import Any


def error_class(*modules: str) -> type[Exception] | None:
    """Return the first ``AuthenticationError`` in modules, of those that are imported."""
    for name in modules:
        found = getattr(sys.modules.get(name), "AuthenticationError", None)
        if isinstance(found, type) and issubclass(found, Exception):
            return found
    return None


def made_of(cls: type[Exception] | None, message: str) -> dict[str, Any]:
    """Return what an exception holds that is made of a message alone, where one can be."""
    if cls is None:
        return {}
    try:
        return dict(vars(cls(message)))
    except TypeError:
        return {}
