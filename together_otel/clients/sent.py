"""What the frames of whoever sends a request have: the keys that it is sent with, and its answer.

A request hook, the HTTP client's own auth and an in-house client send keys that nobody else is told
of before there is an answer.
"""

from collections.abc import Collection, Mapping
from traceback import walk_tb
from types import FrameType
from typing import Any, Final

from together_otel.clients.credentials import secrets_in
from together_otel.clients.failures import FIRST_ERROR, chain

_NAMES: Final = ("request", "params", "headers")
"""Variables of httpx and requests, of aiohttp's tracing, and of urllib3 and aiohttp."""

HTTPX: Final = ("httpx._client", "httpx2._client")
"""Modules that send by httpx."""

_MOST: Final = 32
"""Frames that are looked at."""


def secrets_at_work(frame: FrameType | None) -> list[str]:
    """Return the keys of the request that is being sent where a frame, or a caller of it, is."""
    for _ in range(_MOST):
        if frame is None:
            break
        if found := _secrets_in_frame(frame):
            return found
        frame = frame.f_back
    return []


def redirects_at_work(frame: FrameType | None) -> Any:
    """Return the responses by which requests was redirected to what it asks for at this moment.

    Args:
        frame: who asks, or what it calls.
    """
    for _ in range(_MOST):
        if frame is None or frame.f_code.co_name == "resolve_redirects":
            break
        frame = frame.f_back
    return None if frame is None else frame.f_locals.get("hist")


def secrets_in_traceback(exc: BaseException) -> list[str]:
    """Return the keys of the requests that an exception and its causes came of."""
    frames = [frame for link in chain(exc) for frame, _ in walk_tb(link.__traceback__)]
    return [secret for frame in frames[-_MOST:] for secret in _secrets_in_frame(frame)]


def answer_in_traceback(exc: BaseException, modules: Collection[str], name: str) -> Any:
    """Return the response that an HTTP library had when an exception passed; ``None`` for none.

    A hook of the application's may raise what it likes of a response.

    Args:
        exc: the exception.
        modules: of the library, whose innermost frame with such a variable has it.
        name: of the variable.
    """
    frames = (frame for frame, _ in walk_tb(exc.__traceback__))
    found = [
        frame
        for frame in frames
        if frame.f_globals.get("__name__") in modules and name in frame.f_code.co_varnames
    ]
    return found[-1].f_locals.get(name) if found else None


def refusal_behind(exc: BaseException) -> Any:
    """Return httpx's response of which a hook of the application's made an exception, or a cause.

    Args:
        exc: what the SDK made of it.
    """
    for link in chain(exc):
        found = answer_in_traceback(link, HTTPX, "response")
        if found is not None and found.status_code >= FIRST_ERROR:
            return found
    return None


def _secrets_in_frame(frame: FrameType) -> list[str]:
    names = [name for name in _NAMES if name in frame.f_code.co_varnames]
    # Not the variables of each: most functions have none of these.
    variables: Mapping[str, Any] = frame.f_locals if names else {}
    found: list[str] = []
    for name in names:
        value = variables.get(name)
        headers = getattr(value, "headers", value)
        if isinstance(headers, Mapping):
            found += secrets_in(headers)
    return found
