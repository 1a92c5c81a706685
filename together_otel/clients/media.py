"""References to images, audio, video and files: neither their bytes nor the secrets in URLs."""

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
"""Fields of requests for images and videos, some inside ``media`` → their modality."""

_IN_FIELDS: Final = ("input_image", "video", "audio")
"""If such a field contains objects, the fields of these that may have the URL."""

_FILES: Final = {"file": "document", "input_file": "document", "input_image": "image"}
"""Types of items that may refer to an uploaded file → their modality."""

_CONTENTS: Final = ("file_data", "file_url", "image_url")
"""Fields of these with their content or its URL."""

_REDACTED: Final = "REDACTED"
"""The replacement for secrets in URLs by OpenTelemetry's conventions."""

# Those that the conventions for ``url.full`` redact, their successors, and similar ones.
_TICKETS: Final = (
    r"(?i)([?&;](?:awsaccesskeyid|googleaccessid|key-pair-id|policy|sig|signature"
    r"|x-(?:amz|goog)-(?:credential|security-token|signature)"
    r"|(?:access[_-]?|auth[_-]?)?token|(?:api[_-]?)?key)=)[^&;#]+"
)
"""Query parameters that grant access to the URL."""

_LOGIN: Final = r"(?<=://)[^/?#]*(?=@)"

_MIME_TYPE: Final = r"[\w.+-]{1,64}/[\w.+-]{1,64}"


def reference(url: str, modality: str, mime_type: str = "") -> dict[str, Any]:
    """Return the message part for a URL, a ``data:`` URL or base64 of a modality.

    It has the URL, without logins and signatures. For inline content, it has a digest in RFC 6920's
    format of 128 bits: the first half of the output of ``sha256sum``. (The whole output has the
    shape of a key.)
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
    """Return the message part for an item of a message's content, ``None`` if it is not media.

    ``inner`` is the item's field named as its type, or the item itself, as in the Responses API.
    """
    fields = fields_of(inner)
    if kind == "input_audio":
        form, data = fields.get("format"), fields.get("data")
        mime_type = f"audio/{form}" if isinstance(form, str) else ""
        return reference(data, "audio", mime_type) if isinstance(data, str) else None
    if (modality := _FILES.get(kind)) is not None:
        return _file(fields, modality)
    url = fields.get("url", inner)
    if not kind.endswith("_url") or not isinstance(url, str):
        return None
    return reference(url, kind.removesuffix("_url"))


def _file(fields: Mapping[str, Any], modality: str) -> dict[str, Any] | None:
    if isinstance(identifier := fields.get("file_id"), str):
        return {"type": "file", "modality": modality, "file_id": identifier}
    found = (one for name in _CONTENTS if isinstance(one := fields.get(name), str))
    return next((reference(one, modality) for one in found), None)


def media_given(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the message parts for the media in a request for an image or a video."""
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
