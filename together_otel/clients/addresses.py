"""What stands in a URL, whichever library's object it is: host and port."""

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
_origins: dict[tuple[Any, ...], tuple[str | None, int | None, bytes]] = {}


def origin_of(url: Any) -> tuple[str | None, int | None, bytes]:
    """Return host, port, user name with password of httpx's URL, which takes it apart each time."""
    parts = getattr(url, "_uri_reference", None)
    place = None if parts is None else (parts.scheme, parts.userinfo, parts.host, parts.port)
    found = _origins.get(place) if place is not None else None
    if found is None:
        found = url.host, port_of(url), url.userinfo
        # What has a password is not kept.
        if place is not None and not url.userinfo:
            _keep(_origins, place, found)
    return found


def server_in(parts: SplitResult) -> _Server:
    """Return host and port of a URL in parts, whose properties take these apart each time."""
    place = parts.scheme, parts.netloc
    found = _servers.get(place)
    if found is None:
        found = parts.hostname, port_of(parts)
        if "@" not in parts.netloc:
            _keep(_servers, place, found)
    return found


def _keep(kept: dict[tuple[Any, ...], Any], place: tuple[Any, ...], found: Any) -> None:
    if len(kept) >= _MOST:
        kept.clear()
    kept[place] = found
