"""Images, audio, video and files by reference: never their bytes, nor what lets one in to see them."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from together_otel.clients.fields import fields_of

_GIVEN: Final = {
    "image_url": "image",
    "reference_images": "image",
    "frame_images": "image",
    "frame_videos": "video",
    "reference_videos": "video",
    "source_video": "video",
    "audio_inputs": "audio",
}
"""Fields of requests for images and videos, some inside ``media`` → the modality they hold."""

_IN_FIELDS: Final = ("input_image", "video", "audio")
"""Where such a field holds objects: the field of these that is the URL."""

_REDACTED: Final = "REDACTED"
"""The word that OpenTelemetry's conventions put in a URL's secret places."""

# Those that the conventions for ``url.full`` redact, their successors, and the like.
_TICKETS: Final = (
    r"(?i)([?&;](?:awsaccesskeyid|googleaccessid|key-pair-id|policy|sig|signature"
    r"|x-(?:amz|goog)-(?:credential|security-token|signature)"
    r"|(?:access[_-]?|auth[_-]?)?token|(?:api[_-]?)?key)=)[^&;#]+"
)
"""Query parameters by which a URL lets its bearer in."""

_LOGIN: Final = r"(?<=://)[^/?#]*(?=@)"

_MIME_TYPE: Final = r"[\w.+-]{1,64}/[\w.+-]{1,64}"


def reference(url: str, modality: str, mime_type: str = "") -> dict[str, Any]:
    """Return the part for an image, audio or video.

    Args:
        url: where it is, or itself: a ``data:`` URL, or base64 alone.
        modality: ``image``, ``audio``, ``video`` or ``document``.
        mime_type: if it is known; a ``data:`` URL says it itself.

    Returns:
        A part with its URL, without logins and signatures; or, of what was sent inline, with
        a digest: RFC 6920's name of 128 bits, the first half of what ``sha256sum`` prints. (The
        whole of it has the shape of a key.)
    """
    scheme, _, rest = url.strip().partition(":")
    if scheme.lower() == "data":
        header, _, data = rest.partition(",")
        mime_type, uri = header.partition(";")[0], _digest(data or rest)
    else:
        uri = _without_tickets(url) if rest.startswith("//") else _digest(url)
    part: dict[str, Any] = {"type": "uri", "modality": modality}
    if re.fullmatch(_MIME_TYPE, mime_type):
        part["mime_type"] = mime_type
    return part | {"uri": uri}


def _digest(data: str) -> str:
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        content = data.encode("utf-8", "surrogatepass")
    return f"nih:sha-256-128;{hashlib.sha256(content).hexdigest()[:32]}"


def _without_tickets(url: str) -> str:
    return re.sub(_TICKETS, rf"\1{_REDACTED}", re.sub(_LOGIN, _REDACTED, url, count=1))


def media_in(kind: str, inner: Any) -> dict[str, Any] | None:
    """Return the part for a piece of a message's content, or ``None`` if it is no medium.

    Args:
        kind: the piece's ``type``, such as ``image_url``.
        inner: what it holds under that name.
    """
    fields = fields_of(inner)
    if kind == "input_audio":
        form, data = fields.get("format"), fields.get("data")
        mime_type = f"audio/{form}" if isinstance(form, str) else ""
        return reference(data, "audio", mime_type) if isinstance(data, str) else None
    if kind == "file":
        return _file(fields)
    url = fields.get("url", inner)
    if not kind.endswith("_url") or not isinstance(url, str):
        return None
    return reference(url, kind.removesuffix("_url"))


def _file(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    identifier, data = fields.get("file_id"), fields.get("file_data")
    if isinstance(identifier, str):
        return {"type": "file", "modality": "document", "file_id": identifier}
    return reference(data, "document") if isinstance(data, str) else None


def media_given(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parts for what a request for an image or a video starts from."""
    fields = {**body, **fields_of(body.get("media"))}
    parts = []
    for name, modality in _GIVEN.items():
        given = fields.get(name)
        for item in given if isinstance(given, (list, tuple)) else [given]:
            inner = fields_of(item)
            url = next((inner[place] for place in _IN_FIELDS if place in inner), item)
            if isinstance(url, str):
                parts.append(reference(url, modality))
    return parts
