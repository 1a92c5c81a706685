"""The table of all patched attributes, except those of HTTP libraries, which are in `senders`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from together_otel.calls import missing_keys, other_hosts, realtime, together_v1, wrappers
from together_otel.calls.places import PLACES
from together_otel.clients.generated import Generated
from together_otel.clients.in_house import InHouse
from together_otel.clients.missing_keys import ADAPTERS
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


def _both(module: str, attribute: str, make: MakePatch, adapter: Any) -> tuple[Target, Target]:
    """Return the targets of a sync class and of its async twin."""
    twin = f"Async{attribute.removeprefix('Sync')}"
    return Target(module, attribute, make, adapter), Target(module, twin, make, adapter)


_GENERATED = Generated()
_TOGETHER_V1 = TogetherV1()
_IN_HOUSE = InHouse()
_OPENAI = OpenAI()
_CONNECTIONS = Connections()
_TRANSCRIPTIONS = Transcriptions()
_V1_UPLOADS = TogetherV1Uploads()
_BASE = "together._base_client"
_OPENAI_BASE = "openai._base_client"
_FILES = "together.lib.resources.files"
_REQUESTOR = "together.abstract.api_requestor"
_V1_FILES = "together.filemanager"
_WEBSOCKETS = "together.lib.realtime._connection"
_SESSIONS = "together.lib.realtime._session"
_SESSION = "AsyncRealtimeTranscriptionSession"

TARGETS: tuple[Target, ...] = (
    *_both("together._client", "Together.__init__", wrappers.constructing, _GENERATED),
    *_both(_BASE, "SyncAPIClient.request", wrappers.calling, _GENERATED),
    *_both(_BASE, "SyncAPIClient._process_response", wrappers.accepting, _GENERATED),
    *_both(_FILES, "UploadManager.upload", wrappers.calling, GeneratedUploads()),
    *_both(_WEBSOCKETS, "RealtimeConnectionManager.connect", realtime.connecting, _CONNECTIONS),
    *_both(_WEBSOCKETS, "RealtimeConnection.recv", realtime.receiving, _CONNECTIONS),
    *_both(_WEBSOCKETS, "RealtimeConnection.close", realtime.closing, _CONNECTIONS),
    Target(_SESSIONS, f"{_SESSION}.start", realtime.starting, _TRANSCRIPTIONS),
    Target(_SESSIONS, f"{_SESSION}.close", realtime.closing, _TRANSCRIPTIONS),
    Target(_SESSIONS, f"{_SESSION}._fail", realtime.failing, _TRANSCRIPTIONS),
    *_both("together.client", "Together.__init__", wrappers.constructing, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.__init__", together_v1.owning, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.request", wrappers.calling, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.arequest", wrappers.calling, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.request_raw", together_v1.transferring, _TOGETHER_V1),
    Target(_REQUESTOR, "APIRequestor.arequest_raw", together_v1.transferring, _TOGETHER_V1),
    Target(_V1_FILES, "UploadManager.upload", wrappers.calling, _V1_UPLOADS),
    Target(_V1_FILES, "MultipartUploadManager.upload", wrappers.calling, _V1_UPLOADS),
    Target(_V1_FILES, "UploadManager.get_upload_url", together_v1.beginning, _TOGETHER_V1),
    *_both("openai._client", "OpenAI.__init__", other_hosts.constructing, _OPENAI),
    *_both(_OPENAI_BASE, "SyncAPIClient.request", other_hosts.calling, _OPENAI),
    *_both(_OPENAI_BASE, "SyncAPIClient._process_response", wrappers.accepting, _OPENAI),
    *_both("together_ai", "TogetherAI.__init__", wrappers.constructing, _IN_HOUSE),
    *_both("together_ai", "TogetherAI.chat", wrappers.calling_any, _IN_HOUSE),
    *(
        Target(module, attribute, missing_keys.refusing, ADAPTERS[adapter], is_frameworks=True)
        for adapter, module, attribute in PLACES
    ),
)
