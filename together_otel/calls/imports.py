"""Patches modules at each import, including reloads and imports after a removal.

The code that patches is loaded with the first such module, or with the first request to Together
by an HTTP library, because most instrumented processes have neither.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any, cast

from together_otel.calls.places import PLACES
from together_otel.calls.proxies import ObjectProxy
from together_otel.calls.senders import SENDERS, Senders
from together_otel.forks import ForkSafeLock
from together_otel.guard import Guard, pass_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.patching import Patches
    from together_otel.calls.wire import Reporter

    Imported = Callable[[ModuleType], None]

MODULES = frozenset(
    (
        *("together._client", "together._base_client", "together.lib.resources.files"),
        *("together.lib.realtime._connection", "together.lib.realtime._session"),
        *("together.client", "together.abstract.api_requestor", "together.filemanager"),
        *("together_ai", "openai._client", "openai._base_client"),
        *(module for _, module, _ in PLACES),
    )
)
"""Modules with targets in `targets`."""


class LazyPatches:
    """The patches of this process, loaded when needed."""

    def __init__(self) -> None:
        modules = {*MODULES, *(sender.module for sender in SENDERS)}
        self._watcher = ImportWatcher(modules, self._imported)
        self._turn_on: Callable[[], tuple[Runtime, object]] | None = None
        self._patches: Patches | None = None
        self._senders = Senders(self._reporter)
        self._reporters: dict[Any, Reporter] = {}
        self._hosts: Collection[str] = ()
        self._is_on = False
        self._lock = ForkSafeLock()

    def apply(
        self,
        turn_on: Callable[[], tuple[Runtime, object]],
        hosts: Collection[str],
        turn_off: Callable[[], None],
    ) -> None:
        """Patch modules that are imported now, and others when they are imported.

        ``turn_on`` is called at the first import; it returns the runtime that calls are reported to
        and the tracer provider, ``None`` for the global one. ``turn_off`` turns the instrumentation
        off, for a later copy of this package.
        """
        self._turn_on, self._hosts, self._is_on = turn_on, hosts, True
        self._watcher.turn_off = turn_off
        if self._watcher not in sys.meta_path:
            sys.meta_path.insert(0, self._watcher)
        for name in self._watcher.names:
            if (loaded := sys.modules.get(name)) is not None:
                with Guard("patch"):
                    _once_loaded(loaded, self._imported)

    def remove(self) -> None:
        """Restore every original whose patch is still in place."""
        if self._watcher in sys.meta_path:
            sys.meta_path.remove(self._watcher)
        self._turn_on, self._is_on = None, False
        self._reporters.clear()
        self._senders.remove()
        if self._patches is not None:
            self._patches.remove()

    def _imported(self, module: ModuleType) -> None:
        with Guard("patch"):
            if module.__name__ in MODULES:
                self._loaded().imported(module)
            elif self._is_on:
                self._senders.put(module, self._hosts)

    def _reporter(self, library: str, original: Any) -> Reporter | None:
        try:
            return self._reporters[original]
        except Exception:  # noqa: BLE001 - the first use, or an unhashable function
            pass_on_signals()
            with Guard("patch"):
                found = self._loaded().reporter(library, original) if self._is_on else None
                if found is not None:
                    self._reporters[original] = found
                return found
        return None

    def _loaded(self) -> Patches:
        """Return the patches, loaded and turned on."""
        if self._patches is None or self._turn_on is not None:
            with self._lock:
                from together_otel.calls.patching import PATCHES  # noqa: PLC0415 - see the module's docstring

                try:
                    if self._turn_on is not None:
                        PATCHES.active.turn_on(*self._turn_on())
                finally:  # only now: other threads wait until then
                    self._turn_on, self._patches = None, PATCHES
        return self._patches


class ImportWatcher(MetaPathFinder):
    """Calls back after each import of some modules, until it is removed from ``sys.meta_path``.

    `wrapt`'s import hooks only run at a module's first import.
    """

    def __init__(self, names: Collection[str], imported: Imported) -> None:
        self.turn_off: Callable[[], None] = lambda: None
        self.names: frozenset[str] = frozenset(names)
        self._imported = imported
        self._searching: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders find, with a loader that calls back."""
        if fullname not in self.names or fullname in self._searching:
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
        # Python 3.11 still accepts loaders without exec_module, which cannot be wrapped.
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = cast("Loader", _Loader(spec.loader, self._imported))
        return spec


class _Loader(ObjectProxy):
    """A loader that calls back once a module's code has run. The original then replaces it."""

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


def _once_loaded(module: ModuleType, imported: Imported) -> None:
    """Call back with a module now, or once its code has run: it may be turning this package on.

    Python sets ``_initializing`` on a module's spec at the beginning of its import and resets it
    at the end, even after an error. There is no public notification.
    """
    spec: Any = getattr(module, "__spec__", None)
    if not getattr(spec, "_initializing", False):
        imported(module)
        return
    kind: Any = type(spec)

    class Watched(kind):  # type: ignore[misc]  # the class is not known statically
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "_initializing" and not value:
                self.__class__ = kind
                imported(module)

    spec.__class__ = Watched


def turn_off_other_copies() -> None:
    """Turn off the instrumentation of earlier copies of this package."""
    for finder in list(sys.meta_path):
        if type(finder).__module__ == __name__:
            cast("ImportWatcher", finder).turn_off()
