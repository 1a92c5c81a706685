"""One table of what is patched; the same table puts the patches on and takes them off."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from together_otel.calls import sessions, wrappers
from together_otel.clients.generated import Generated
from together_otel.clients.in_house import InHouse
from together_otel.clients.realtime import Connections, Transcriptions
from together_otel.clients.together_v1 import TogetherV1
from together_otel.clients.uploads import GeneratedUploads, TogetherV1Uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from together_otel.auth.runtime import Runtime
    from together_otel.calls.wrappers import Wrapper

    MakeWrapper = Callable[["Patches", Any], Wrapper]


@dataclass(frozen=True)
class Target:
    """One attribute to patch: ``Class.method`` of a module, if it exists there."""

    module: str
    attribute: str
    make: MakeWrapper
    adapter: Any


_STAINLESS = Generated()
_LEGACY = TogetherV1()
_CHAT = InHouse("chat")
_CONNECTIONS = Connections()
_TRANSCRIPTIONS = Transcriptions()
_UPLOADS = GeneratedUploads()
_LEGACY_UPLOADS = TogetherV1Uploads()
_BASE = "together._base_client"
_FILES = "together.lib.resources.files"
_REQUESTOR = "together.abstract.api_requestor"
_LEGACY_FILES = "together.filemanager"
_WEBSOCKETS = "together.lib.realtime._connection"
_SESSIONS = "together.lib.realtime._session"

TARGETS: tuple[Target, ...] = (
    Target("together._client", "Together.__init__", wrappers.constructing, _STAINLESS),
    Target("together._client", "AsyncTogether.__init__", wrappers.constructing, _STAINLESS),
    Target(_BASE, "SyncAPIClient.request", wrappers.calling, _STAINLESS),
    Target(_BASE, "AsyncAPIClient.request", wrappers.async_calling, _STAINLESS),
    Target(_BASE, "SyncAPIClient._process_response", wrappers.accepting, _STAINLESS),
    Target(_BASE, "AsyncAPIClient._process_response", wrappers.accepting, _STAINLESS),
    Target("together._response", "APIResponse.parse", wrappers.parsing, _STAINLESS),
    Target("together._response", "AsyncAPIResponse.parse", wrappers.async_parsing, _STAINLESS),
    Target("together._response", "APIResponse.read", wrappers.reading, _STAINLESS),
    Target("together._response", "AsyncAPIResponse.read", wrappers.async_reading, _STAINLESS),
    Target(_FILES, "UploadManager.upload", wrappers.calling, _UPLOADS),
    Target(_FILES, "AsyncUploadManager.upload", wrappers.async_calling, _UPLOADS),
    Target(_WEBSOCKETS, "RealtimeConnectionManager.connect", sessions.connecting, _CONNECTIONS),
    Target(
        _WEBSOCKETS,
        "AsyncRealtimeConnectionManager.connect",
        sessions.async_connecting,
        _CONNECTIONS,
    ),
    Target(_WEBSOCKETS, "RealtimeConnection.recv", sessions.receiving, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnection.recv", sessions.async_receiving, _CONNECTIONS),
    Target(_WEBSOCKETS, "RealtimeConnection.close", sessions.closing, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnection.close", sessions.closing, _CONNECTIONS),
    Target(
        _SESSIONS,
        "AsyncRealtimeTranscriptionSession.start",
        sessions.async_starting,
        _TRANSCRIPTIONS,
    ),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession.close", sessions.closing, _TRANSCRIPTIONS),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession._fail", sessions.failing, _TRANSCRIPTIONS),
    Target("together.client", "Together.__init__", wrappers.constructing, _LEGACY),
    Target("together.client", "AsyncTogether.__init__", wrappers.constructing, _LEGACY),
    Target(_REQUESTOR, "APIRequestor.__init__", wrappers.owning, _LEGACY),
    Target(_REQUESTOR, "APIRequestor.request", wrappers.calling, _LEGACY),
    Target(_REQUESTOR, "APIRequestor.arequest", wrappers.async_calling, _LEGACY),
    Target(_REQUESTOR, "APIRequestor.request_raw", wrappers.transferring, _LEGACY),
    Target(_REQUESTOR, "APIRequestor.arequest_raw", wrappers.async_transferring, _LEGACY),
    Target(_LEGACY_FILES, "UploadManager.upload", wrappers.calling, _LEGACY_UPLOADS),
    Target(_LEGACY_FILES, "MultipartUploadManager.upload", wrappers.calling, _LEGACY_UPLOADS),
    Target(_LEGACY_FILES, "UploadManager.get_upload_url", wrappers.beginning, _LEGACY),
    Target("together_ai", "TogetherAI.__init__", wrappers.constructing, _CHAT),
    Target("together_ai", "AsyncTogetherAI.__init__", wrappers.constructing, _CHAT),
    Target("together_ai", "TogetherAI.chat", wrappers.calling, _CHAT),
    Target("together_ai", "AsyncTogetherAI.chat", wrappers.async_calling, _CHAT),
)


@dataclass(frozen=True)
class _Applied:
    owner: type
    name: str
    original: Any
    patch: Any


class Patches:
    """The patches of this process; there is one object of it, as there is one SDK.

    ``runtime`` is ``None`` while the instrumentation is off: a patch that someone kept, as a
    bound method or under another library's patch, then passes through.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self._applied: list[_Applied] = []
        self._hooked: set[str] = set()

    def listening(self) -> Runtime | None:
        """Return the runtime if telemetry is wanted here and now."""
        return self.runtime if is_instrumentation_enabled() else None

    def apply(self, runtime: Runtime) -> None:
        """Patch what is imported now, and the rest when it is."""
        self.runtime = runtime
        for module in dict.fromkeys(target.module for target in TARGETS):
            if module in self._hooked:
                if (loaded := sys.modules.get(module)) is not None:
                    self._imported(loaded)
            else:
                self._hooked.add(module)
                wrapt.register_post_import_hook(self._imported, module)

    def remove(self) -> None:
        """Put every original back that is still ours to replace."""
        self.runtime = None
        while self._applied:
            applied = self._applied.pop()
            if vars(applied.owner).get(applied.name) is applied.patch:
                setattr(applied.owner, applied.name, applied.original)

    def _imported(self, module: ModuleType) -> None:
        if (runtime := self.runtime) is None:
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
        if any(one.owner is owner and one.name == name for one in self._applied):
            return
        # From the class's own dictionary: getattr would bind.
        original = vars(owner)[name]
        patch = wrapt.FunctionWrapper(original, target.make(self, target.adapter))
        setattr(owner, name, patch)
        self._applied.append(_Applied(owner, name, original, patch))


def _defining_class(cls: Any, name: str) -> type | None:
    """Return the class of an SDK's own that defines a method which ``cls`` has."""
    if not isinstance(cls, type):
        return None
    package = cls.__module__.partition(".")[0]
    for owner in cls.__mro__:
        if name in vars(owner):
            return owner if owner.__module__.partition(".")[0] == package else None
    return None
