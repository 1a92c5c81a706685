"""Puts the patches of `targets` on and takes them off."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from together_otel.calls.active import Active
from together_otel.calls.call import secrets_in
from together_otel.calls.patches import Patch, PatchedAttribute, patch_of
from together_otel.calls.targets import TARGETS

if TYPE_CHECKING:
    from types import ModuleType

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.targets import Target


class _Applied(NamedTuple):
    owner: type
    name: str
    original: Any
    patch: Any


class Patches:
    """The patches of this process; there is one object of it, as there is one SDK."""

    def __init__(self) -> None:
        self._active = Active(secrets_in)
        self._applied: list[_Applied] = []

    def apply(self, runtime: Runtime, tracer_provider: object = None) -> None:
        """Patch what is imported now."""
        self._active.turn_on(runtime, tracer_provider)
        for module in dict.fromkeys(target.module for target in TARGETS):
            if (loaded := sys.modules.get(module)) is not None:
                self.imported(loaded)

    def remove(self) -> None:
        """Put every original back that is still ours to replace."""
        self._active.runtime = None
        while self._applied:
            applied = self._applied.pop()
            if vars(applied.owner).get(applied.name) is applied.patch:
                setattr(applied.owner, applied.name, applied.original)

    def imported(self, module: ModuleType) -> None:
        """Patch a module, if the instrumentation is on."""
        if (runtime := self._active.runtime) is None:
            return
        with runtime.guard("patch"):
            for target in TARGETS:
                if target.module == module.__name__:
                    self._patch(module, target)

    def _patch(self, module: ModuleType, target: Target) -> None:
        class_name, _, name = target.attribute.partition(".")
        owner = _defining_class(getattr(module, class_name, None), name)
        if owner is None:
            return
        # From the class's own dictionary: getattr would bind.
        original = vars(owner)[name]
        if isinstance(original, (Patch, PatchedAttribute)) or any(
            one.patch is original for one in self._applied
        ):
            return
        make = partial(target.make, self._active, target.adapter)
        patch = make(original) if target.is_whole else patch_of(original, make, owner, name)
        setattr(owner, name, patch)
        self._applied.append(_Applied(owner, name, original, patch))


PATCHES = Patches()


def _defining_class(cls: Any, name: str) -> type | None:
    """Return the class of an SDK's own that defines a method which ``cls`` has."""
    if not isinstance(cls, type):
        return None
    package = cls.__module__.partition(".")[0]
    for owner in cls.__mro__:
        if name in vars(owner):
            return owner if owner.__module__.partition(".")[0] == package else None
    return None
