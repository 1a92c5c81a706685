"""wrapt's classes as bases with type arguments, which wrapt 1 has none of."""

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
