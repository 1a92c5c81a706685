"""Patches modules as they are imported, each time anew: reloaded ones and those dropped before.

What patches is loaded with the first of them, or with the first request to Together by an HTTP
library, as most processes that are instrumented have neither.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any, cast

from together_otel.calls.proxies import ObjectProxy
from together_otel.calls.senders import SENDERS, Senders
from together_otel.forks import ForkSafeLock
from together_otel.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.patching import Patches
    from together_otel.calls.wire import Reporter

    Imported = Callable[[ModuleType], None]

MODULES = (
    "together._client",
    "together._base_client",
    "together.lib.resources.files",
    "together.lib.realtime._connection",
    "together.lib.realtime._session",
    "together.client",
    "together.abstract.api_requestor",
    "together.filemanager",
    "together_ai",
    "openai._client",
    "openai._base_client",
    "pydantic_ai.providers.together",
    "haystack.components.generators.chat.openai",
    "agno.models.together.together",
    "instructor.v2.auto_client",
    "camel.models.togetherai_model",
    "huggingface_hub.inference._providers._common",
    "llama_index.embeddings.together.base",
    "langchain_together.llms",
    "aisuite.providers.together_provider",
    "litellm.rerank_api.main",
)
"""Those that `targets` has something to patch in."""


class LazyPatches:
    """The patches of this process."""

    def __init__(self) -> None:
        modules = (*MODULES, *(sender.module for sender in SENDERS))
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
        """Patch what is imported now, and the rest when it is.

        Args:
            turn_on: called at the first import; returns what calls are reported to, and the tracer
                provider, ``None`` for the global one.
            hosts: further ones that count as Together's.
            turn_off: turns all off, for a copy of this package that comes after this one.
        """
        self._turn_on, self._hosts, self._is_on = turn_on, hosts, True
        self._watcher.turn_off = turn_off
        if self._watcher not in sys.meta_path:
            sys.meta_path.insert(0, self._watcher)
        for name in self._watcher.names:
            if (loaded := sys.modules.get(name)) is not None:
                with Guard("patch", lambda _: None):
                    _once_loaded(loaded, self._imported)

    def remove(self) -> None:
        """Put every original back that is still ours to replace."""
        if self._watcher in sys.meta_path:
            sys.meta_path.remove(self._watcher)
        self._turn_on, self._is_on = None, False
        self._reporters.clear()
        self._senders.remove()
        if self._patches is not None:
            self._patches.remove()

    def _imported(self, module: ModuleType) -> None:
        with Guard("patch", lambda _: None):
            if module.__name__ in MODULES:
                self._loaded().imported(module)
            elif self._is_on:
                self._senders.put(module, self._hosts)

    def _reporter(self, library: str, original: Any) -> Reporter | None:
        try:
            return self._reporters[original]
        except Exception:  # noqa: BLE001 - the border: the first time, or a function without a hash
            with Guard("patch", lambda _: None):
                found = self._loaded().reporter(library, original) if self._is_on else None
                if found is not None:
                    self._reporters[original] = found
                return found
        return None

    def _loaded(self) -> Patches:
        """Return what patches, turned on."""
        if self._patches is None or self._turn_on is not None:
            with self._lock:
                from together_otel.calls.patching import PATCHES  # noqa: PLC0415 - see above

                try:
                    if self._turn_on is not None:
                        PATCHES.apply(*self._turn_on())
                finally:  # only now: until then the others wait
                    self._turn_on, self._patches = None, PATCHES
        return self._patches


class ImportWatcher(MetaPathFinder):
    """Calls back after each import of some modules, until it is taken off ``sys.meta_path``.

    `wrapt`'s hook for imports tells of a module's first import only.

    Args:
        names: of the modules.
        imported: called with each of them after its code has run.

    Attributes:
        turn_off: turns off whatever it watches for.
    """

    def __init__(self, names: Collection[str], imported: Imported) -> None:
        self.turn_off: Callable[[], None] = lambda: None
        self.names: frozenset[str] = frozenset(names)
        self._imported = imported
        self._searching: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the other finders find, with a loader that calls back."""
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
        # Python 3.11 still takes loaders without, which nothing can be added to.
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = cast("Loader", _Loader(spec.loader, self._imported))
        return spec


class _Loader(ObjectProxy):
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


def _once_loaded(module: ModuleType, imported: Imported) -> None:
    """Call back with a module now, or once its code has run: it may be what turns us on.

    Python's import notes on its spec that it has begun and, whatever happened, that it is over.
    There is no public way to be told.
    """
    spec: Any = getattr(module, "__spec__", None)
    if not getattr(spec, "_initializing", False):
        imported(module)
        return
    kind: Any = type(spec)

    class Watched(kind):  # type: ignore[misc]  # a class that is not known here
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "_initializing" and not value:
                self.__class__ = kind
                imported(module)

    spec.__class__ = Watched


def turn_off_other_copies() -> None:
    """Turn off what copies of this package, imported before, have left on."""
    for finder in list(sys.meta_path):
        if type(finder).__module__ == __name__:
            cast("ImportWatcher", finder).turn_off()
