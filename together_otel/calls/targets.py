"""The table of all patched attributes, except those of HTTP libraries, which are in `senders`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from together_otel.calls import missing_keys, other_hosts, realtime, together_v1, wrappers
from together_otel.clients.generated import Generated
from together_otel.clients.in_house import InHouse
from together_otel.clients.missing_keys import PLACES
from together_otel.clients.openai import OpenAI
from together_otel.clients.realtime import Connections, Transcriptions
from together_otel.clients.together_v1 import TogetherV1
from together_otel.clients.uploads import GeneratedUploads, TogetherV1Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from together_otel.calls.active import Active
    from together_otel.calls.around import Wrapper
    from together_otel.calls.patches import Direct

    MakePatch = Callable[[Active, Any, Any], Wrapper | Direct]


@dataclass(frozen=True)
class Target:
    """One attribute to patch: ``Class.method`` or a function of a module, if it exists there.

    Alternatives for different releases are separated by ``|``: the first that exists is patched.

    ``make`` takes the `Active`, the adapter and the function, and returns the patch. Of a framework,
    a method of another package's class is patched in this class only, and a release without the
    attribute gives a warning.
    """

    module: str
    attribute: str
    make: MakePatch
    adapter: Any
    is_frameworks: bool = False


_GENERATED = Generated()
_TOGETHER_V1 = TogetherV1()
_CHAT = InHouse("chat")
_OPENAI = OpenAI()
_CONNECTIONS = Connections()
_TRANSCRIPTIONS = Transcriptions()
_UPLOADS = GeneratedUploads()
_TOGETHER_V1_UPLOADS = TogetherV1Uploads()
_BASE = "together._base_client"
_OPENAI_CLIENT = "openai._client"
_OPENAI_BASE = "openai._base_client"
_FILES = "together.lib.resources.files"
_REQUESTOR = "together.abstract.api_requestor"
_TOGETHER_V1_FILES = "together.filemanager"
_WEBSOCKETS = "together.lib.realtime._connection"
_SESSIONS = "together.lib.realtime._session"

TARGETS: tuple[Target, ...] = (
    Target("together._client", "Together.__init__", wrappers.constructing, _GENERATED),
    Target("together._client", "AsyncTogether.__init__", wrappers.constructing, _GENERATED),
    Target(_BASE, "SyncAPIClient.request", wrappers.calling, _GENERATED),
    Target(_BASE, "AsyncAPIClient.request", wrappers.calling, _GENERATED),
    Target(_BASE, "SyncAPIClient._process_response", wrappers.accepting, _GENERATED),
    Target(_BASE, "AsyncAPIClient._process_response", wrappers.accepting, _GENERATED),
    Target(_FILES, "UploadManager.upload", wrappers.calling, _UPLOADS),
    Target(_FILES, "AsyncUploadManager.upload", wrappers.calling, _UPLOADS),
    Target(_WEBSOCKETS, "RealtimeConnectionManager.connect", realtime.connecting, _CONNECTIONS),
    Target(
        _WEBSOCKETS, "AsyncRealtimeConnectionManager.connect", realtime.connecting, _CONNECTIONS
    ),
    Target(_WEBSOCKETS, "RealtimeConnection.recv", realtime.receiving, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnection.recv", realtime.receiving, _CONNECTIONS),
    Target(_WEBSOCKETS, "RealtimeConnection.close", realtime.closing, _CONNECTIONS),
    Target(_WEBSOCKETS, "AsyncRealtimeConnection.close", realtime.closing, _CONNECTIONS),
    Target(
        _SESSIONS, "AsyncRealtimeTranscriptionSession.start", realtime.starting, _TRANSCRIPTIONS
    ),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession.close", realtime.closing, _TRANSCRIPTIONS),
    Target(_SESSIONS, "AsyncRealtimeTranscriptionSession._fail", realtime.failing, _TRANSCRIPTIONS),
    Target("together.client", "Together.__init__", wrappers.constructing, _TOGETHER_V1),
    Target("together.client", "AsyncTogether.__init__", wrappers.constructing, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.__init__", together_v1.owning, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.request", wrappers.calling, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.arequest", wrappers.calling, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.request_raw", together_v1.transferring, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.arequest_raw", together_v1.transferring, _TOGETHER_V1),
    Target(_TOGETHER_V1_FILES, "UploadManager.upload", wrappers.calling, _TOGETHER_V1_UPLOADS),
    Target(
        _TOGETHER_V1_FILES, "MultipartUploadManager.upload", wrappers.calling, _TOGETHER_V1_UPLOADS
    ),
    Target(_TOGETHER_V1_FILES, "UploadManager.get_upload_url", together_v1.beginning, _TOGETHER_V1),
    Target(_OPENAI_CLIENT, "OpenAI.__init__", other_hosts.constructing, _OPENAI),
    Target(_OPENAI_CLIENT, "AsyncOpenAI.__init__", other_hosts.constructing, _OPENAI),
    Target(_OPENAI_BASE, "SyncAPIClient.request", other_hosts.calling, _OPENAI),
    Target(_OPENAI_BASE, "AsyncAPIClient.request", other_hosts.calling, _OPENAI),
    Target(_OPENAI_BASE, "SyncAPIClient._process_response", wrappers.accepting, _OPENAI),
    Target(_OPENAI_BASE, "AsyncAPIClient._process_response", wrappers.accepting, _OPENAI),
    Target("together_ai", "TogetherAI.__init__", wrappers.constructing, _CHAT),
    Target("together_ai", "AsyncTogetherAI.__init__", wrappers.constructing, _CHAT),
    Target("together_ai", "TogetherAI.chat", wrappers.calling_any, _CHAT),
    Target("together_ai", "AsyncTogetherAI.chat", wrappers.calling_any, _CHAT),
    *(
        Target(module, attribute, missing_keys.refusing, adapter, is_frameworks=True)
        for module, attribute, adapter in PLACES
    ),
)
