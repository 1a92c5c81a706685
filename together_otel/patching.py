"""One table of what is patched; the same table puts the patches on and takes them off."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from together_otel.constructors import construct
from together_otel.lifecycle import begin, call_of_body, call_of_session, current_call
from together_otel.recovery.constructor import rescue_of_constructor
from together_otel.recovery.rescue import rescue_of_call
from together_otel.sdk.inhouse import InHouse
from together_otel.sdk.legacy import Legacy
from together_otel.sdk.realtime import (
    Connections,
    Transcriptions,
    was_closed,
    was_closed_regularly,
)
from together_otel.sdk.stainless import Stainless
from together_otel.sdk.uploads import LegacyUploads, StainlessUploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from together_otel.lifecycle import Call, Untold
    from together_otel.runtime import Runtime
    from together_otel.sdk.calls import Adapter

    Wrapper = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
    MakeWrapper = Callable[["Patches", Any], Wrapper]


def _constructor(patches: Patches, adapter: Adapter) -> Wrapper:
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        rescue = rescue_of_constructor(runtime, adapter, client, args, kwargs)
        if rescue is None:
            return construct(runtime, adapter, wrapped, client, args, kwargs)
        while True:
            with rescue:
                given = rescue.args, rescue.kwargs
                return construct(runtime, adapter, wrapped, client, *given, rescue.refused)

    return wrapper


def _call(patches: Patches, adapter: Adapter) -> Wrapper:
    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        rescue = rescue_of_call(runtime, adapter, client, args, kwargs)
        if rescue is None:
            with begin(runtime, adapter, client, args, kwargs) as call:
                return call.returned(wrapped(*args, **kwargs), client)
        while True:
            with rescue, begin(runtime, adapter, client, args, kwargs) as call:
                rescue.watches(call)
                return call.returned(wrapped(*args, **kwargs), client)

    return wrapper


def _async_call(patches: Patches, adapter: Adapter) -> Wrapper:
    async def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return await wrapped(*args, **kwargs)
        rescue = rescue_of_call(runtime, adapter, client, args, kwargs)
        if rescue is None:
            with begin(runtime, adapter, client, args, kwargs) as call:
                return call.returned(await wrapped(*args, **kwargs), client)
        while True:
            async with rescue:
                with begin(runtime, adapter, client, args, kwargs) as call:
                    rescue.watches(call)
                    return call.returned(await wrapped(*args, **kwargs), client)

    return wrapper


def _requestor(patches: Patches, adapter: Legacy) -> Wrapper:
    """Note whose requestor it is: 1.x copies a client's key into it."""

    def wrapper(wrapped: Any, requestor: Any, args: Any, kwargs: Any) -> Any:
        wrapped(*args, **kwargs)
        if patches.runtime is not None:
            adapter.made_for(requestor, kwargs.get("client", args[0] if args else None))

    return wrapper


def _accepted(patches: Patches, adapter: Adapter) -> Wrapper:
    """Note the response that the generated clients are about to parse."""

    def wrapper(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        call = None if patches.runtime is None else current_call()
        # A call that is not told, inside another adapter's, is not to answer for that.
        if call is not None and call.adapter is adapter:
            call.answered(kwargs.get("response"))
        return wrapped(*args, **kwargs)

    return wrapper


def _transfer(patches: Patches, adapter: Adapter) -> Wrapper:
    """Note an attempt of 1.x and its answer; outside a call, it is a call of its own."""

    def wrapper(wrapped: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        call = current_call()
        if call is not None and call.adapter is adapter:
            call.attempted()
            response = wrapped(*args, **kwargs)
            call.answered(response)
            return response
        with begin(runtime, adapter, client, args, kwargs) as own:
            own.attempted()
            response = wrapped(*args, **kwargs)
            own.answered(response)
            return own.returned(response)

    return wrapper


def _async_transfer(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Note the answer of an async 1.x call, which is always inside one."""

    async def wrapper(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        response = await wrapped(*args, **kwargs)
        if patches.runtime is not None and (call := current_call()) is not None:
            call.answered(response)
        return response

    return wrapper


def _parse(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Follow the stream that an open response is parsed into."""

    def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        parsed = wrapped(*args, **kwargs)
        call = _call_of_body(patches, response)
        return parsed if call is None else call.parsed(parsed)

    return wrapper


def _async_parse(patches: Patches, _adapter: Adapter) -> Wrapper:
    async def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        parsed = await wrapped(*args, **kwargs)
        call = _call_of_body(patches, response)
        return parsed if call is None else call.parsed(parsed)

    return wrapper


def _read(patches: Patches, _adapter: Adapter) -> Wrapper:
    """Take what a whole body says when the SDK has read it."""

    def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        call = _call_of_body(patches, response)
        with nullcontext() if call is None else call.reading(response):
            return wrapped(*args, **kwargs)

    return wrapper


def _async_read(patches: Patches, _adapter: Adapter) -> Wrapper:
    async def wrapper(wrapped: Any, response: Any, args: Any, kwargs: Any) -> Any:
        call = _call_of_body(patches, response)
        with nullcontext() if call is None else call.reading(response):
            return await wrapped(*args, **kwargs)

    return wrapper


def _call_of_body(patches: Patches, response: Any) -> Call | None:
    return None if patches.runtime is None else call_of_body(response)


def _connect(patches: Patches, adapter: Connections) -> Wrapper:
    """Open a connection for the caller."""

    def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        if (runtime := patches.listening()) is None:
            return wrapped(*args, **kwargs)
        with begin(runtime, adapter, manager, args, kwargs) as call:
            _note_handshake(patches, call, manager)
            connection = wrapped(*args, **kwargs)
            _note_handshake(patches, call, manager, connection)
            return call.returned(connection, manager)

    return wrapper


def _async_connect(patches: Patches, adapter: Connections) -> Wrapper:
    """Open a connection: for the caller, or as an attempt of a session that is a call itself."""

    async def wrapper(wrapped: Any, manager: Any, args: Any, kwargs: Any) -> Any:
        session = current_call()
        if session is not None and session.adapter is _TRANSCRIPTIONS:
            session.attempted()
            session.asks_with(manager)
            _note_handshake(patches, session, manager)
            connection = await wrapped(*args, **kwargs)
            _note_handshake(patches, session, manager, connection)
            session.accepted()
            return connection
        if (runtime := patches.listening()) is None:
            return await wrapped(*args, **kwargs)
        with begin(runtime, adapter, manager, args, kwargs) as call:
            _note_handshake(patches, call, manager)
            connection = await wrapped(*args, **kwargs)
            _note_handshake(patches, call, manager, connection)
            return call.returned(connection, manager)

    return wrapper


def _note_handshake(
    patches: Patches, call: Call | Untold, manager: Any, connection: Any = None
) -> None:
    """Note what is asked with before the answer: the exception of a refusal does not tell."""
    if (runtime := patches.runtime) is not None:
        with runtime.guard("begin"):
            call.answered(_CONNECTIONS.handshake(manager, connection))


def _async_start(patches: Patches, adapter: Transcriptions) -> Wrapper:
    """Start a session; one that is open stays as it is, and is no new call."""
    own = _async_call(patches, adapter)

    async def wrapper(wrapped: Any, session: Any, args: Any, kwargs: Any) -> Any:
        if adapter.is_open(session):
            return await wrapped(*args, **kwargs)
        return await own(wrapped, session, args, kwargs)

    return wrapper


def _closing(_patches: Patches, _adapter: Connections) -> Wrapper:
    """End a session's call when its holder closes it; sync or async alike, as it ends before."""

    def wrapper(wrapped: Any, owner: Any, args: Any, kwargs: Any) -> Any:
        if (call := call_of_session(owner)) is not None:
            call.closed()
        return wrapped(*args, **kwargs)

    return wrapper


def _failing(_patches: Patches, _adapter: Connections) -> Wrapper:
    """End a session's call with the error that the session fails with."""

    def wrapper(wrapped: Any, session: Any, args: Any, kwargs: Any) -> Any:
        error = args[0] if args else kwargs.get("error")
        if isinstance(error, BaseException) and (call := call_of_session(session)) is not None:
            call.failed(error)
        return wrapped(*args, **kwargs)

    return wrapper


def _receive(_patches: Patches, _adapter: Connections) -> Wrapper:
    """Note the events of a session, and its end when the other side closes it."""

    def wrapper(wrapped: Any, connection: Any, args: Any, kwargs: Any) -> Any:
        if (call := call_of_session(connection)) is None:
            return wrapped(*args, **kwargs)
        with _receiving(call):
            event = wrapped(*args, **kwargs)
        call.event(event)
        return event

    return wrapper


def _async_receive(_patches: Patches, _adapter: Connections) -> Wrapper:
    async def wrapper(wrapped: Any, connection: Any, args: Any, kwargs: Any) -> Any:
        if (call := call_of_session(connection)) is None:
            return await wrapped(*args, **kwargs)
        with _receiving(call):
            event = await wrapped(*args, **kwargs)
        call.event(event)
        return event

    return wrapper


@contextmanager
def _receiving(call: Call) -> Iterator[None]:
    """End a session's call if its connection is closed; others than that may go on."""
    try:
        yield
    except Exception as exc:
        if was_closed_regularly(exc):
            call.closed()
        elif was_closed(exc):
            call.failed(exc)
        raise


@dataclass(frozen=True)
class Target:
    """One attribute to patch: ``Class.method`` of a module, if it exists there."""

    module: str
    attribute: str
    make: MakeWrapper
    adapter: Any


_STAINLESS = Stainless()
_LEGACY = Legacy()
_CHAT = InHouse("chat")
_CONNECTIONS = Connections()
_TRANSCRIPTIONS = Transcriptions()
_UPLOADS = StainlessUploads()
_LEGACY_UPLOADS = LegacyUploads()
_WEBSOCKETS = "together.lib.realtime._connection"
_SESSIONS = "together.lib.realtime._session"

TARGETS: tuple[Target, ...] = (
    Target("together._client", "Together.__init__", _constructor, _STAINLESS),
    Target("together._client", "AsyncTogether.__init__", _constructor, _STAINLESS),
    Target("together._base_client", "SyncAPIClient.request", _call, _STAINLESS),
    Target("together._base_client", "AsyncAPIClient.request", _async_call, _STAINLESS),
    Target("together._base_client", "SyncAPIClient._process_response", _accepted, _STAINLESS),
    Target("together._base_client", "AsyncAPIClient._process_response", _accepted, _STAINLESS),
    Target("together._response", "APIResponse.parse", _parse, _STAINLESS),
    Target("together._response", "AsyncAPIResponse.parse", _async_parse, _STAINLESS),
    Target("together._response", "APIResponse.read", _read, _STAINLESS),
    Target("together._response", "AsyncAPIResponse.read", _async_read, _STAINLESS),
    Target("together.lib.resources.files", "UploadManager.upload", _call, _UPLOADS),
    Target("together.lib.resources.files", "AsyncUploadManager.upload", _async_call, _UPLOADS),
    Target(_WEBSOCKETS, "RealtimeConnectionManager.connect", _connect, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnectionManager.connect", _async_connect, _CONNECTIONS),
    Target(_WEBSOCKETS, "RealtimeConnection.recv", _receive, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnection.recv", _async_receive, _CONNECTIONS),
    Target(_WEBSOCKETS, "RealtimeConnection.close", _closing, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnection.close", _closing, _CONNECTIONS),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession.start", _async_start, _TRANSCRIPTIONS),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession.close", _closing, _TRANSCRIPTIONS),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession._fail", _failing, _TRANSCRIPTIONS),
    Target("together.client", "Together.__init__", _constructor, _LEGACY),
    Target("together.client", "AsyncTogether.__init__", _constructor, _LEGACY),
    Target("together.abstract.api_requestor", "APIRequestor.__init__", _requestor, _LEGACY),
    Target("together.abstract.api_requestor", "APIRequestor.request", _call, _LEGACY),
    Target("together.abstract.api_requestor", "APIRequestor.arequest", _async_call, _LEGACY),
    Target("together.abstract.api_requestor", "APIRequestor.request_raw", _transfer, _LEGACY),
    Target(
        "together.abstract.api_requestor", "APIRequestor.arequest_raw", _async_transfer, _LEGACY
    ),
    Target("together.filemanager", "UploadManager.upload", _call, _LEGACY_UPLOADS),
    Target("together.filemanager", "MultipartUploadManager.upload", _call, _LEGACY_UPLOADS),
    Target("together_ai", "TogetherAI.__init__", _constructor, _CHAT),
    Target("together_ai", "AsyncTogetherAI.__init__", _constructor, _CHAT),
    Target("together_ai", "TogetherAI.chat", _call, _CHAT),
    Target("together_ai", "AsyncTogetherAI.chat", _async_call, _CHAT),
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
