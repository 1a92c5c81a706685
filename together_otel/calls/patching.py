"""Applies and removes the patches of `targets`."""

from __future__ import annotations

import logging
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from together_otel.calls.active import Active
from together_otel.calls.patches import is_patch, patch_of
from together_otel.calls.targets import TARGETS, Target
from together_otel.calls.wire import Reporter
from together_otel.guard import warn
from together_otel.names import SCOPE

if TYPE_CHECKING:
    from types import ModuleType


_log = logging.getLogger(f"{SCOPE}.instrumentor")


class _Applied(NamedTuple):
    # Weak references, so that a library that is imported again leaves nothing of its old classes.
    owner: weakref.ref[Any]
    name: str
    patch: weakref.ref[Any]
    is_own: bool


class Patches:
    """The patches of this process; a singleton."""

    def __init__(self) -> None:
        self.active: Active = Active()
        self._applied: list[_Applied] = []
        self._warned_of: set[Target] = set()

    def remove(self) -> None:
        """Restore every original whose patch is still in place."""
        self.active.runtime = None
        while self._applied:
            applied = self._applied.pop()
            owner, patch = applied.owner(), applied.patch()
            if owner is None or patch is None or vars(owner).get(applied.name) is not patch:
                continue
            if applied.is_own:
                setattr(owner, applied.name, patch.__wrapped__)
            else:
                delattr(owner, applied.name)

    def reporter(self, library: str, original: Any) -> Reporter | None:
        """Return the reporter of an HTTP library's function, or ``None`` if all is off."""
        if self.active.runtime is None:
            return None
        return Reporter(self.active, library, original)

    def imported(self, module: ModuleType) -> None:
        """Patch a module, if the instrumentation is on."""
        if (runtime := self.active.runtime) is None:
            return
        for target in TARGETS:
            if target.module == module.__name__:
                with runtime.guard("patch"):
                    self._patch(module, target)

    def _patch(self, module: ModuleType, target: Target) -> None:
        places = (_place(module, target, one) for one in target.attribute.split("|"))
        if (place := next(filter(None, places), None)) is None:
            if target.is_frameworks and target not in self._warned_of:
                self._warned_of.add(target)
                warn(
                    _log,
                    "%s has no %s in this release: failures of a missing key are not reported.",
                    target.module,
                    target.attribute,
                )
            return
        owner, name, original = place
        if is_patch(original):
            # A mock that outlived the instrumentation may have put it back.
            if all(one.patch() is not original for one in self._applied):
                self._note(owner, name, original, is_own=True)
            return
        make = partial(target.make, self.active, target.adapter)
        patch = patch_of(original, make, owner, name)
        self._applied[:] = [one for one in self._applied if one.owner() is not None]
        self._note(owner, name, patch, is_own=name in vars(owner))
        setattr(owner, name, patch)

    def _note(self, owner: Any, name: str, patch: Any, *, is_own: bool) -> None:
        self._applied.append(_Applied(weakref.ref(owner), name, weakref.ref(patch), is_own))


PATCHES = Patches()


def _place(module: ModuleType, target: Target, attribute: str) -> tuple[Any, str, Any] | None:
    """Return the class or module to patch, the attribute's name, and its value; ``None`` for none.

    A method is patched in the SDK's class that defines it, not in one that inherits it.
    """
    first, _, name = attribute.partition(".")
    found = vars(module).get(first)
    if not name:
        return (module, first, found) if callable(found) else None
    if not isinstance(found, type):
        return None
    owner = next((one for one in found.__mro__ if name in vars(one)), None)
    if owner is None:
        return None
    original = vars(owner)[name]  # getattr would bind it
    if owner.__module__.partition(".")[0] == found.__module__.partition(".")[0]:
        return owner, name, original
    return (found, name, original) if target.is_frameworks else None
