"""Method and path of a request → the name of its operation, of low cardinality."""

from __future__ import annotations

import re
from functools import lru_cache

GENERATIVE = {
    "chat/completions": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "rerank": "rerank",
    "images/generations": "image_generation",
    "audio/speech": "speech",
    "audio/transcriptions": "transcription",
    "audio/translations": "translation",
    "videos": "video_generation",
    "videos/generations": "video_generation",
}
"""POST paths without their version → operation, as the contract names them."""

_VERSION = re.compile(r"v\d+[a-z0-9]*")
_WORD = re.compile(r"[a-z][a-z_-]*")

_LAST_VERBS = {
    "get": ("list", "retrieve"),
    "post": ("create", "update"),
    "put": ("update", "update"),
    "patch": ("update", "update"),
    "delete": ("delete", "delete"),
}


@lru_cache(maxsize=512)
def operation_of(method: str, path: str) -> str:
    """Return the operation of a request.

    Args:
        method: HTTP method, any case.
        path: a URL's path or an absolute URL, with or without version prefixes and query.

    Returns:
        ``chat`` and the like for generative endpoints, else a dotted name such as
        ``files.retrieve``. Path segments that are not plain lower-case words (ids, names
        of models) never enter it.
    """
    verb = method.lower()
    path = path.split("?", 1)[0]
    if "://" in path:
        path = path.split("://", 1)[1].partition("/")[2]
    segments = [part for part in path.split("/") if part]
    while segments and _VERSION.fullmatch(segments[0]):
        segments.pop(0)
    if verb == "post" and (name := GENERATIVE.get("/".join(segments))):
        return name
    words: list[str] = []
    ends_in_id = False
    for place, segment in enumerate(segments):
        # Paths alternate collections and ids, and an id can look like a word: where an id may
        # stand, only a word that is known is one.
        is_word = segment in WORDS or (
            bool(_WORD.fullmatch(segment)) and (place == 0 or ends_in_id)
        )
        if is_word:
            words.append(segment.replace("-", "_"))
        ends_in_id = not is_word
    if not words:
        return "request"
    last = words[-1]
    if last.replace("_", "-") in ACTIONS and not ends_in_id:
        return ".".join(words)
    one_or_many = _LAST_VERBS.get(verb, (verb, verb))
    return ".".join([*words, one_or_many[1 if ends_in_id else 0]])


ACTIONS = frozenset(
    """
    abort approve autoscale cancel clear complete content custom-forward-backward deploy
    download download-tokenized-dataset estimate estimate-cost estimate-price events execute
    extend-expiry forward-backward inference-checkpoint initiate logs metrics optim-step pause
    preprocess preview preview-defaults promote register reject resume rollback sample start
    status stop submit training-checkpoint upload usage validate weights-sync whoami
    """.split()  # noqa: SIM905 - sixty strings in a list read worse than a text
)
"""Path segments that already say what is done."""

WORDS = ACTIONS | frozenset(
    """
    ab-experiments adapters analytics api-keys availability-zones billing checkpoints clusters
    completions configs deployments embeddings endpoints evaluation files fine-tunes finetune
    generations hardware image-repositories images inference-instance-types instances jobs
    limits members model-resources models operations organizations placement-profiles
    prepare-for-fp4-inference projects public queue regions remediations remote-uploads
    replicas rerank revisions rollouts secrets sessions shadow-experiments shaping speech
    storage supported-models targets training-sessions transcriptions translations uploads
    videos voices volumes
    """.split()  # noqa: SIM905 - sixty strings in a list read worse than a text
)
"""The words in the paths of SDK 1.x to 3.1.1; any other segment is taken for an id."""
