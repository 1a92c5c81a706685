"""wrapt's classes as generic base classes for type checkers; wrapt 1 has no type arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    BoundFunctionWrapper = wrapt.BoundFunctionWrapper[Any, Any]
    FunctionWrapper = wrapt.FunctionWrapper[Any, Any]
    ObjectProxy = wrapt.ObjectProxy[Any]
else:
    BoundFunctionWrapper = wrapt.BoundFunctionWrapper
    FunctionWrapper = wrapt.FunctionWrapper
    ObjectProxy = wrapt.ObjectProxy
