"""The fields of an object of any generation, whether a mapping or a model."""

from collections.abc import Mapping
from typing import Any

NO_REASON = "error"
"""The finish reason of a choice that ended without one, by the conventions."""

NOTHING: dict[str, Any] = {}


def fields_of(value: Any) -> dict[str, Any]:
    """Return a mapping's or a model's fields by name; nothing for anything else."""
    # dict, not Mapping, and no getattr: this runs for every chunk, and pydantic is slow to say
    # that there is no such attribute.
    return value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)


def every_field_of(value: Any) -> dict[str, Any]:
    """Return the same and those that the model does not declare: pydantic keeps them apart."""
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)
    extra = getattr(value, "__pydantic_extra__", None)
    return {**fields, **extra} if extra else fields


def index_of(fields: Mapping[str, Any], place: int) -> int:
    """Return the ``index`` of a choice or a tool call, else its ``place`` among the others."""
    index = fields.get("index")
    # 2.x and 3.x make floats of some.
    if isinstance(index, float) and index.is_integer():
        return int(index)
    return index if isinstance(index, int) else place
