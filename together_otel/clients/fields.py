"""Access to the fields of SDK objects of any generation, whether mappings or models."""

from collections.abc import Mapping
from typing import Any

NO_REASON = "error"
"""The conventions' finish reason for a choice that ended without one."""

NOTHING: dict[str, Any] = {}


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dict or a model by name; an empty dict for anything else."""
    # dict, not Mapping, and no getattr for fields: this runs for every chunk, and pydantic is slow
    # for attributes that do not exist.
    return value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)


def every_field_of(value: Any) -> dict[str, Any]:
    """Return all fields, including undeclared ones, which pydantic stores separately."""
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", NOTHING)
    extra = getattr(value, "__pydantic_extra__", None)
    return {**fields, **extra} if extra else fields


def index_of(fields: Mapping[str, Any], place: int) -> int:
    """Return the ``index`` of a choice or a tool call, else its ``place`` in the list."""
    index = fields.get("index")
    # SDK 2.x and 3.x parse some as floats.
    if isinstance(index, float) and index.is_integer():
        return int(index)
    return index if isinstance(index, int) else place
