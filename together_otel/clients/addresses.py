"""What stands in a URL, whichever library's object it is: host and port."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult

DEFAULT_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}


def is_absolute(url: str) -> bool:
    """Return whether a URL of HTTP names a host; its query may have another one in it."""
    return "://" in url[:8]


def port_of(url: Any) -> int | None:
    """Return a URL's port, its scheme's own where none is written.

    Args:
        url: anything with ``port`` and ``scheme``: of ``urlsplit``, or httpx's.
    """
    port: int | None = url.port or DEFAULT_PORTS.get(url.scheme)
    return port


def in_url(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


_Server = tuple[str | None, int | None]
_MOST = 256
_servers: dict[tuple[Any, ...], _Server] = {}


def server_of(url: Any) -> _Server:
    """Return host and port of httpx's URL, whose properties take it apart each time."""
    parts = getattr(url, "_uri_reference", None)
    place = () if parts is None else (parts.scheme, parts.host, parts.port)
    found = _servers.get(place)
    if found is None:
        found = _kept(place, (url.host, port_of(url)))
    return found


def server_in(parts: SplitResult) -> _Server:
    """Return host and port of a URL in parts, whose properties take these apart each time."""
    place = parts.scheme, parts.netloc
    found = _servers.get(place)
    if found is None:
        # What has a password is not kept.
        found = _kept(() if "@" in parts.netloc else place, (parts.hostname, port_of(parts)))
    return found


def _kept(place: tuple[Any, ...], found: _Server) -> _Server:
    if place:
        if len(_servers) >= _MOST:
            _servers.clear()
        _servers[place] = found
    return found


def userinfo_of(url: Any) -> bytes:
    """Return user name and password of httpx's URL, which its property encodes each time."""
    parts = getattr(url, "_uri_reference", None)
    found: bytes = b"" if parts is not None and not parts.userinfo else url.userinfo
    return found
