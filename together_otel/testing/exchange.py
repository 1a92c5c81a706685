"""What the server's rooms pass each other: a request received, a reply, and a plan for it."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TRACE_ID = "x-together-traceid"
"""The header by which an answer is known to be Together's."""

DONE = b"data: [DONE]\n\n"
"""The frame that ends Together's streams."""

# The characters that RFC 6750 allows in a bearer token, which Together's keys keep to.
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/=-]+)")
_FORM_FIELD = re.compile(rb'name="(\w+)"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n')


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it arrived.

    ``number`` counts a server's requests from 1. ``authorized`` tells whether the server held
    the key good when the request came, whatever it was scripted to answer. ``retry`` is the
    SDK's own count of attempts before this one (2.x and 3.x send it). ``headers`` have
    lower-case names. ``fields`` is the JSON object or the form that the body holds. The key
    stays out of ``repr``.
    """

    number: int
    method: str
    path: str
    model: str | None
    authorized: bool
    retry: int = 0
    authorization: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str | None:
        """The key in a well-formed Authorization header, else ``None``."""
        return key_in(self.authorization)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: ``body`` whole, or ``frames`` sent as one chunk each.

    ``foreign`` tells that it is another server's, a proxy's say: without Together's own header.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    frames: tuple[bytes, ...] | None = None
    foreign: bool = False


@dataclass(frozen=True)
class Plan:
    """How a reply is given.

    Args:
        reply: ``None`` closes the connection without a word.
        pause: seconds to wait, after ``pause_after`` frames (0: before the status line).
        cut: close the connection before the reply is whole.
    """

    reply: Reply | None
    pause: float = 0.0
    pause_after: int = 0
    cut: bool = False


@dataclass(frozen=True)
class Exchange:
    """One request and what the server makes of it.

    Attributes:
        request: as it arrived.
        usual: returns the answer or the refusal that its key deserves.
        answer: returns the answer that a good key would get.
    """

    request: ReceivedRequest
    usual: Callable[[], Reply]
    answer: Callable[[], Reply]


def key_in(authorization: str | None) -> str | None:
    """Return the key in an Authorization header, ``None`` when it is absent or ill-formed."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def fields_in(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object or a multipart form; of anything else, none."""
    if content_type.startswith("multipart/form-data"):
        return {
            name.decode(): value.decode("utf-8", "replace")
            for name, value in _FORM_FIELD.findall(body)
        }
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return ``value`` as a JSON answer."""
    return Reply(status, json.dumps(value).encode(), headers=tuple((headers or {}).items()))


def stream_reply(events: Iterable[object]) -> Reply:
    """Return server-sent events, one frame each, ended as Together ends them."""
    frames = (*(frame_of(event) for event in events), DONE)
    return Reply(content_type="text/event-stream", frames=frames)


def frame_of(event: object) -> bytes:
    """Return one server-sent event with a JSON value."""
    return f"data: {json.dumps(event)}\n\n".encode()
