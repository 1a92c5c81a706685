"""Tells of modules as they are imported, each time anew: reloaded ones and those dropped before."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any, cast

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Imported = Callable[[ModuleType], None]


class ImportWatcher(MetaPathFinder):
    """Calls back after each import of some modules, until it is taken off ``sys.meta_path``.

    `wrapt`'s hook for imports tells of a module's first import only.

    Args:
        names: of the modules.
        imported: called with each of them after its code has run.
        turn_off: turns off whatever it watches for.
    """

    def __init__(
        self, names: Collection[str], imported: Imported, turn_off: Callable[[], None]
    ) -> None:
        self.turn_off = turn_off
        self._names = frozenset(names)
        self._imported = imported
        self._searching: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the other finders find, with a loader that calls back."""
        if fullname not in self._names or fullname in self._searching:
            return None
        self._searching.add(fullname)
        try:
            finders = (
                one for one in sys.meta_path if one is not self and hasattr(one, "find_spec")
            )
            found = (finder.find_spec(fullname, path, target) for finder in finders)
            spec = next((one for one in found if one is not None), None)
        finally:
            self._searching.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = cast("Loader", _Loader(spec.loader, self._imported))
        return spec


class _Loader(wrapt.ObjectProxy):  # type: ignore[type-arg]  # wrapt 1 has no type arguments
    """A loader that calls back once it has run a module's code, and is then replaced by the other."""

    def __init__(self, loader: Any, imported: Imported) -> None:
        super().__init__(loader)
        self._self_imported = imported

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        self.__wrapped__.exec_module(module)
        if module.__spec__ is not None:
            module.__spec__.loader = self.__wrapped__
        module.__loader__ = self.__wrapped__
        self._self_imported(module)


def turn_off_other_copies() -> None:
    """Turn off what other copies of this package, imported before, have left on."""
    for finder in list(sys.meta_path):
        kind = type(finder)
        if kind.__module__ == __name__ and kind is not ImportWatcher:
            cast("ImportWatcher", finder).turn_off()
