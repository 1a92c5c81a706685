"""Puts the patches of `targets` on and takes them off."""

from __future__ import annotations

import sys
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, NamedTuple

import wrapt

from together_otel.calls.active import Active
from together_otel.calls.call import secrets_in
from together_otel.calls.imports import ImportWatcher
from together_otel.calls.targets import TARGETS

if TYPE_CHECKING:
    from types import ModuleType

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.targets import Target


class BoundPatch(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]  # wrapt 1 has no type arguments
    """A patched method, bound to an instance or got from its class."""

    def __reduce_ex__(self, _protocol: Any) -> Any:
        owner = self._self_instance
        if owner is None:
            owner = self._self_parent.owner
        return getattr, (owner, self.__wrapped__.__name__)

    def __copy__(self) -> BoundPatch:
        return self

    def __deepcopy__(self, _memo: Any) -> BoundPatch:
        return self


class Patch(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # as above
    """A function of a client library in our wrapper; pickled and copied as the function would be.

    Attributes:
        owner: the class that it is an attribute of.
    """

    __bound_function_wrapper__ = BoundPatch

    def __init__(self, wrapped: Any, wrapper: Any, owner: type) -> None:
        super().__init__(wrapped, wrapper)
        self._self_holder = owner

    @property
    def owner(self) -> type:
        """The class that the function is an attribute of."""
        return self._self_holder

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return getattr_static, (self._self_holder, self.__wrapped__.__name__)

    def __copy__(self) -> Patch:
        return self

    def __deepcopy__(self, _memo: Any) -> Patch:
        return self


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
        self._watcher = ImportWatcher({target.module for target in TARGETS}, self._imported)

    def apply(self, runtime: Runtime, tracer_provider: object = None) -> None:
        """Patch what is imported now, and the rest when it is."""
        self._active.turn_on(runtime, tracer_provider)
        if self._watcher not in sys.meta_path:
            sys.meta_path.insert(0, self._watcher)
        for module in dict.fromkeys(target.module for target in TARGETS):
            if (loaded := sys.modules.get(module)) is not None:
                self._imported(loaded)

    def remove(self) -> None:
        """Put every original back that is still ours to replace."""
        self._active.runtime = None
        if self._watcher in sys.meta_path:
            sys.meta_path.remove(self._watcher)
        while self._applied:
            applied = self._applied.pop()
            if vars(applied.owner).get(applied.name) is applied.patch:
                setattr(applied.owner, applied.name, applied.original)

    def _imported(self, module: ModuleType) -> None:
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
        if isinstance(original, Patch):
            return
        while _is_ours(original):
            original = original.__wrapped__
        wrapper = target.make(self._active, target.adapter, original)
        patch = Patch(original, wrapper, owner)
        setattr(owner, name, patch)
        self._applied.append(_Applied(owner, name, original, patch))


def _is_ours(function: Any) -> bool:
    """Return whether a function is patched by a copy of this package that was imported before."""
    kind = type(function)
    return kind.__name__ == Patch.__name__ and kind.__module__ == Patch.__module__


def _defining_class(cls: Any, name: str) -> type | None:
    """Return the class of an SDK's own that defines a method which ``cls`` has."""
    if not isinstance(cls, type):
        return None
    package = cls.__module__.partition(".")[0]
    for owner in cls.__mro__:
        if name in vars(owner):
            return owner if owner.__module__.partition(".")[0] == package else None
    return None
