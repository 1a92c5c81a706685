"""Types that the server's modules share: a received request, a reply, and a plan."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TRACE_ID = "x-together-traceid"
"""Header that identifies a response as Together's."""

DONE = b"data: [DONE]\n\n"
"""Last frame of Together's streams."""

# The characters that RFC 6750 allows in a bearer token. Together's keys use only these.
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/=-]+)")
_FORM_FIELD = re.compile(rb'name="(\w+)"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]*)\r\n')


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that the server received.

    ``number`` counts a server's requests from 1. ``authorized`` is whether the server accepted
    the key when the request arrived, whatever response was scripted. ``retry`` is the SDK's own
    count of earlier attempts (2.x and 3.x send it). ``headers`` have lower-case names.
    ``fields`` is the JSON object or the form in the body. ``repr`` does not show the key.
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
        """The key in the Authorization header; ``None`` if it is missing or malformed."""
        return key_in(self.authorization)


@dataclass(frozen=True)
class Reply:
    """An HTTP response with a ``body``, or with ``frames`` that are sent as one chunk each.

    ``foreign`` leaves out `TRACE_ID`, as in the response of another server such as a proxy.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    frames: tuple[bytes, ...] | None = None
    foreign: bool = False


@dataclass(frozen=True)
class Plan:
    """How to send a reply.

    Args:
        reply: the reply; ``None`` closes the connection without a response.
        pause: seconds to wait after ``pause_after`` frames (0: before the status line).
        cut: whether to close the connection before the reply is complete.
    """

    reply: Reply | None
    pause: float = 0.0
    pause_after: int = 0
    cut: bool = False


@dataclass(frozen=True)
class Exchange:
    """A request and the replies that it may get.

    ``usual`` returns a successful reply if the key is valid, or else a refusal; ``answer`` returns
    the successful reply, whatever the key.
    """

    request: ReceivedRequest
    usual: Callable[[], Reply]
    answer: Callable[[], Reply]


def key_in(authorization: str | None) -> str | None:
    """Return the key in an Authorization header, or ``None`` if it is missing or malformed."""
    found = _BEARER.fullmatch(authorization or "")
    return found[1] if found else None


def fields_in(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object or a multipart form, or ``{}`` for other bodies."""
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
    """Return a reply with ``value`` as JSON."""
    return Reply(status, json.dumps(value).encode(), headers=tuple((headers or {}).items()))


def stream_reply(events: Iterable[object]) -> Reply:
    """Return a reply with server-sent events, one frame each, and Together's last frame."""
    frames = (*(frame_of(event) for event in events), DONE)
    return Reply(content_type="text/event-stream", frames=frames)


def frame_of(event: object) -> bytes:
    """Return a server-sent event with ``event`` as JSON."""
    return f"data: {json.dumps(event)}\n\n".encode()
