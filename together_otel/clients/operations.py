"""Operation names, of low cardinality, for the method and path of a request."""

import re
from typing import Final

from together_otel.clients.addresses import is_absolute
from together_otel.names import OTHER

GENERATIVE = {
    "chat/completions": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "inference": "text_completion",  # of old programs
    "embeddings": "embeddings",
    "rerank": "rerank",
    "images/generations": "image_generation",
    "audio/speech": "speech",
    "audio/transcriptions": "transcription",
    "audio/translations": "translation",
    "videos": "video_generation",
    "videos/generations": "video_generation",
}
"""POST paths without their version → operation."""

HANDSHAKES: Final = {"realtime": "realtime.connect"}
"""GET paths, without their version, that open a websocket → operation."""

ID = "{}"
"""Placeholder for an id in a path."""

PATHS = """
audio|chat|completions|embeddings|hardware|rerank|voices|whoami
autoscale/models
batches/{}/cancel
billing/usage
clusters/availability-zones
compute/clusters/storage/volumes/{}
compute/clusters/{}/instances/{}/remediations/{}/approve|cancel|reject
compute/regions
deployments/prewarm
deployments/secrets/{}
deployments/storage/volumes/{}
deployments/{}/logs|rollback
deployments/{}/revisions/{}
endpoints/{}/adapters
evaluation|evaluations/{}/status
files/multipart/abort|complete|initiate
files/{}/content|preprocess
fine-tunes/estimate-price|preview
fine-tunes/models/limits
fine-tunes/{}/cancel|checkpoints|download-tokenized-dataset|events|metrics
finetune/download
image-repositories/base-path
images/generations
jobs|videos/{}
models/{}
organizations/{}/endpoints|models
projects/{}/configs|placement-profiles/{}
projects/{}/endpoints/{}/abExperiments/{}
projects/{}/endpoints/{}/analytics|events
projects/{}/endpoints/{}/deployments/{}/adapters/{}
projects/{}/endpoints/{}/rollouts/preview-defaults
projects/{}/endpoints/{}/rollouts/{}/cancel|pause|promote|resume|start
projects/{}/endpoints/{}/shadowExperiments/{}/targets/{}
projects/{}/models/download
projects/{}/models/upload/complete|create
projects/{}/models/uploads/{}/events
projects/{}/models/{}/files|revisions
public/inference-instance-types/{}
queue/cancel|clear|metrics|status|submit
rl/checkpoints/{}/download
rl/model-resources/estimate-cost
rl/model-resources/{}/extend-expiry|stop
rl/supported-models
rl/training-sessions/{}/operations/custom-forward-backward|forward-backward|optim-step/{}
rl/training-sessions/{}/operations/inference-checkpoint|training-checkpoint/{}
rl/training-sessions/{}/operations/sample|weights-sync/{}
rl/training-sessions/{}/payloads/upload-url
rl/training-sessions/{}/payloads/{}/download-url
rl/training-sessions/{}/stop
shaping/prepare-for-fp4-inference/estimate
shaping/{}/cancel|events
storage/multipart/abort|complete|init
storage/upload-request
supported-models/{}
tci/execute|sessions
"""
"""The paths of SDK 1.x to 3.1.1, without their versions. Prefixes of a path are paths, too."""

ACTIONS = frozenset(
    """
    abort approve cancel clear complete content create custom-forward-backward download
    download-tokenized-dataset download-url estimate estimate-cost estimate-price events execute
    extend-expiry forward-backward inference-checkpoint init initiate logs metrics optim-step
    pause preprocess preview preview-defaults prewarm promote reject resume rollback sample start
    status stop submit training-checkpoint upload-url usage weights-sync whoami
    """.split()  # noqa: SIM905 - fifty strings in a list read worse than a text
)
"""Path segments that name an action."""

_LAST_VERBS = {
    "get": ("list", "retrieve"),
    "post": ("create", "update"),
    "put": ("update", "update"),
    "patch": ("update", "update"),
    "delete": ("delete", "delete"),
}
"""Method → its action on a collection and on a member of it."""

# The API has the second, the SDK has not.
_NAMED: Final = {"post": {**GENERATIVE, "files/upload": "files.upload"}, "get": HANDSHAKES}

_BEFORE_PATH = re.compile(r"\.\.|v\d+[a-z0-9]*")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class _Node(dict[str, "_Node"]):
    """The segments that may follow a position in a path."""


def _grow(here: _Node, segments: list[str]) -> None:
    """Add a path, including its alternatives."""
    if segments:
        for segment in segments[0].split("|"):
            _grow(here.setdefault(segment, _Node()), segments[1:])


_ROOT, _NOWHERE = _Node(), _Node()
for _path in PATHS.split():
    _grow(_ROOT, _path.split("/"))

_MOST: Final = 512
OPERATIONS: Final[dict[tuple[str, str], str]] = {}
"""Cache of operations by method and path, without paths that contain ids or queries."""


def operation_of(method: str, path: str) -> str:
    """Return the operation of a request; the name never contains text of the caller's.

    That is ``chat`` or similar for a generative endpoint, else a dotted name such as
    ``files.retrieve``. A segment that no known path has in its position counts as an id, even if it
    looks like a word. `OTHER` if that is the first segment. The method is in any case, the path may
    be an absolute URL and have version prefixes and a query.
    """
    if is_absolute(path):
        path = path.split("://", 1)[1].partition("/")[2]
    if (known := OPERATIONS.get((method, path))) is not None:
        return known
    verb = method.lower()
    segments = _segments(path)
    words, ends_in_id = _words(segments)
    name = _NAMED.get(verb, {}).get("/".join(segments))
    has_ids = name is None and words != segments
    if name is None:
        if not words or verb not in _LAST_VERBS:
            return OTHER
        name = ".".join(_HUMP.sub("_", word).lower().replace("-", "_") for word in words)
        if ends_in_id or words[-1] not in ACTIONS:
            name = f"{name}.{_LAST_VERBS[verb][ends_in_id]}"
    if not has_ids and "?" not in path and len(OPERATIONS) < _MOST:
        OPERATIONS[method, path] = name
    return name


def _words(segments: list[str]) -> tuple[list[str], bool]:
    """Return the known words of a path, and whether it ends in an id."""
    words: list[str] = []
    ends_in_id = False
    here = _ROOT
    for place, segment in enumerate(segments):
        below = None if segment == ID else here.get(segment)
        ends_in_id = below is None
        if below is not None:
            words.append(segment)
        # SDK 1.x and 2.0 do not quote a slash in an id, which may span several segments.
        if below is None:
            below = here.get(ID, here) if place else _NOWHERE
        here = below
    return words, ends_in_id


def _segments(path: str) -> list[str]:
    """Return the segments of a path without version prefixes, of which SDK 1.x has ``../v2``."""
    segments = [part for part in path.split("?", 1)[0].split("/") if part]
    place = 0
    if segments and segments[0] not in _ROOT:  # a gateway has a path of its own before them
        place = next((at for at, one in enumerate(segments) if _BEFORE_PATH.fullmatch(one)), 0)
    while place < len(segments) and _BEFORE_PATH.fullmatch(segments[place]):
        place += 1
    return segments[place:]
