"""HTTP libraries behind one face: a request, and what an application has of its answer."""

import asyncio
import importlib
import traceback
from dataclasses import dataclass
from importlib.util import find_spec

PACKAGES = [name for name in ("httpx", "httpx2", "requests", "aiohttp") if find_spec(name)]
KINDS = [
    f"{name} {mode}"
    for name in PACKAGES
    for mode in {"requests": ("sync",), "aiohttp": ("async",)}.get(name, ("sync", "async"))
]
"""Every library that is installed, sync and async."""


@dataclass(frozen=True)
class Got:
    """What an application has of a request."""

    status: int | None = None
    text: str = ""
    raised: str | None = None
    message: str = ""
    frames: tuple[str, ...] = ()


class Library:
    """Makes requests by one library.

    Args:
        kind: of `KINDS`.
    """

    def __init__(self, kind):
        self.name, _, mode = kind.partition(" ")
        self.is_async = mode == "async"

    def ask(self, url, body=None, *, how="whole", **options):
        """Make a POST request.

        Args:
            url: where to.
            body: sent as JSON.
            how: ``whole`` reads the answer at once, ``lines`` as a stream, by lines; ``left``
                leaves a stream after a line, ``unread`` closes it unread.
            options: further ones of the library's function.
        """
        options = {"json": body or {}, **options}
        ask = getattr(self, f"_{self.name.rstrip('2')}_{'async' if self.is_async else 'sync'}")
        try:
            if self.is_async:
                return asyncio.run(ask(url, how, options))
            return ask(url, how, options)
        except Exception as exc:  # noqa: BLE001 - whichever it is
            stack = traceback.extract_tb(exc.__traceback__)
            names = tuple(frame.name for frame in stack)
            return Got(None, "", type(exc).__qualname__, str(exc), names)

    def _httpx_sync(self, url, how, options):
        package = importlib.import_module(self.name)
        with package.Client(**options.pop("client", {})) as client:
            if how == "whole":
                response = client.post(url, **options)
                return Got(response.status_code, response.text)
            with client.stream("POST", url, **options) as response:
                return Got(response.status_code, _joined(response.iter_lines(), how))

    async def _httpx_async(self, url, how, options):
        package = importlib.import_module(self.name)
        async with package.AsyncClient(**options.pop("client", {})) as client:
            if how == "whole":
                response = await client.post(url, **options)
                return Got(response.status_code, response.text)
            async with client.stream("POST", url, **options) as response:
                return Got(response.status_code, await _joined_async(response.aiter_lines(), how))

    def _requests_sync(self, url, how, options):
        import requests

        if how == "whole":
            response = requests.post(url, timeout=10, **options)
            return Got(response.status_code, response.text)
        with requests.post(url, stream=True, timeout=10, **options) as response:
            lines = (line.decode() for line in response.iter_lines())
            return Got(response.status_code, _joined(lines, how))

    async def _aiohttp_async(self, url, how, options):
        import aiohttp

        async with (
            aiohttp.ClientSession(**options.pop("client", {})) as session,
            session.post(url, **options) as response,
        ):
            if how == "whole":
                read = await response.read()
                return Got(response.status, read.decode(errors="replace"))
            return Got(response.status, await _joined_async(response.content, how))


def _joined(lines, how):
    """Return the lines of a stream as far as they are to be read."""
    if how == "unread":
        return ""
    return next(lines, "") if how == "left" else "\n".join(lines)


async def _joined_async(lines, how):
    """Do the same of an async stream, whose lines may be bytes."""
    found = []
    if how != "unread":
        async for line in lines:
            found.append(line if isinstance(line, str) else line.decode().rstrip("\n"))
            if how == "left":
                break
    return "\n".join(found)
