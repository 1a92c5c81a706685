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
        # Together's paths alternate collections and ids; an id can look like a word, so a
        # second segment is one only where the collection has such a sub-resource.
        is_word = bool(_WORD.fullmatch(segment)) and (
            place == 0 or segment in SUBRESOURCES or ends_in_id
        )
        if is_word:
            words.append(segment.replace("-", "_"))
        ends_in_id = not is_word
    if not words:
        return "request"
    last = words[-1]
    if last in ACTIONS and not ends_in_id:
        return ".".join(words)
    one_or_many = _LAST_VERBS.get(verb, (verb, verb))
    return ".".join([*words, one_or_many[1 if ends_in_id else 0]])


ACTIONS = frozenset(
    {
        "whoami",
        "upload",
        "preprocess",
        "content",
        "cancel",
        "download",
        "metrics",
        "events",
        "checkpoints",
        "estimate_price",
        "execute",
        "status",
        "deploy",
        "stop",
        "start",
        "logs",
        "validate",
        "register",
        "pause",
        "resume",
    }
)
"""Last words that already say what is done."""

SUBRESOURCES = ACTIONS | frozenset(
    {
        "completions",
        "generations",
        "speech",
        "transcriptions",
        "translations",
        "voices",
        "uploads",
        "jobs",
        "sessions",
        "shared_volumes",
        "regions",
        "clusters",
        "models",
        "limits",
        "hardware",
        "avzones",
        "availability-zones",
        "estimate-price",
        "deployments",
        "storage",
        "secrets",
        "queue",
        "submit",
        "members",
        "api-keys",
        "api_keys",
        "projects",
        "storages",
        "images",
        "volumes",
        "environments",
        "inference",
        "training",
        "model-limits",
    }
)
"""Second and later path segments that are names of resources rather than ids."""
