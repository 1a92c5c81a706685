"""The keys of a request, and its answer, in the frames of the functions that send it.

Keys of a request hook, of the HTTP client's own auth and of an in-house client are visible nowhere
else before there is an answer.
"""

from collections.abc import Collection, Iterator, Mapping
from traceback import walk_tb
from types import FrameType
from typing import Any, Final

from together_otel.clients.credentials import authorization_in, secrets_in
from together_otel.clients.failures import FIRST_ERROR, chain
from together_otel.guard import swallowed

_NAMES: Final = ("request", "params", "headers")
"""Variables of httpx and requests, of aiohttp's tracing, and of urllib3 and aiohttp."""

HTTPX: Final = ("httpx._client", "httpx2._client")
"""Modules that send requests by httpx."""

_RETRIES: Final = ("urllib3.util.retry",)

_MOST: Final = 32
"""Maximum number of frames that are examined."""


def outward(frame: FrameType | None, most: int) -> Iterator[FrameType]:
    """Yield a frame and its callers."""
    while frame is not None and most:
        yield frame
        frame, most = frame.f_back, most - 1


def secrets_at_work(frame: FrameType | None) -> list[str]:
    """Return the keys of the request that a frame, or one of its callers, is sending."""
    return next(filter(None, map(_secrets_in_frame, outward(frame, _MOST))), [])


def redirects_at_work(frame: FrameType | None) -> Any:
    """Return the responses that redirected requests to the one that a frame, or a caller, sends."""
    for outer in outward(frame, _MOST):
        if outer.f_code.co_name == "resolve_redirects":
            return outer.f_locals.get("hist")
    return None


def secrets_in_traceback(exc: BaseException) -> list[str]:
    """Return the keys of the requests that raised an exception or its causes."""
    return [secret for headers in _headers_in_traceback(exc) for secret in secrets_in(headers)]


def authorization_in_traceback(exc: BaseException) -> str | None:
    """Return the Authorization header of the request that an exception belongs to, if known."""
    headers = reversed(_headers_in_traceback(exc))
    return next(filter(None, map(authorization_in, headers)), None)


def tries_in_traceback(exc: BaseException) -> Any:
    """Return the attempts of urllib3 after which it gave up: its exception does not have them."""
    found = (variable_in_traceback(link, _RETRIES, "new_retry") for link in chain(exc))
    return next((one.history for one in found if one is not None), ())


def variable_in_traceback(exc: BaseException, modules: Collection[str], name: str) -> Any:
    """Return a variable of the HTTP library's frames that an exception passed, else ``None``.

    A hook of the application's may raise any exception for a response. The innermost frame of the
    modules with the variable counts.
    """
    frames = (frame for frame, _ in walk_tb(exc.__traceback__))
    found = [
        frame
        for frame in frames
        if frame.f_globals.get("__name__") in modules and name in frame.f_code.co_varnames
    ]
    return found[-1].f_locals.get(name) if found else None


def refusal_behind(exc: BaseException) -> Any:
    """Return the httpx response for which a hook raised an exception, or a cause of the SDK's."""
    for link in chain(exc):
        found = variable_in_traceback(link, HTTPX, "response")
        if found is not None and found.status_code >= FIRST_ERROR:
            return found
    return None


def _headers_in_traceback(exc: BaseException) -> list[Mapping[Any, Any]]:
    frames = [frame for link in chain(exc) for frame, _ in walk_tb(link.__traceback__)]
    return [headers for frame in frames[-_MOST:] for headers in _headers_in_frame(frame)]


def _secrets_in_frame(frame: FrameType) -> list[str]:
    return [secret for headers in _headers_in_frame(frame) for secret in secrets_in(headers)]


def _headers_in_frame(frame: FrameType) -> Iterator[Mapping[Any, Any]]:
    names = [name for name in _NAMES if name in frame.f_code.co_varnames]
    # Read ``f_locals`` only if needed: most functions have none of these variables.
    variables: Mapping[str, Any] = frame.f_locals if names else {}
    for name in names:
        found = {}
        with swallowed:  # the application's own objects may raise anything
            value = variables.get(name)
            headers = getattr(value, "headers", value)
            if isinstance(headers, Mapping):
                found = dict(headers)
        yield found
