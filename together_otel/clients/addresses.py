"""Host and port of a URL, whichever library the URL object comes from."""

from typing import Any
from urllib.parse import SplitResult

DEFAULT_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}


def is_absolute(url: str) -> bool:
    """Return whether an HTTP URL has a scheme and a host; its query may contain another URL."""
    return "://" in url[:8]


def port_of(url: Any) -> int | None:
    """Return a URL's port, or the default port of its scheme.

    Args:
        url: an object with ``port`` and ``scheme``, of ``urlsplit`` or httpx.
    """
    port: int | None = url.port or DEFAULT_PORTS.get(url.scheme)
    return port


def in_url(host: str) -> str:
    """Return a host as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


_Server = tuple[str | None, int | None]
_MOST = 256
_servers: dict[tuple[Any, ...], _Server] = {}
_origins: dict[tuple[Any, ...], tuple[str | None, int | None, bytes]] = {}


def origin_of(url: Any) -> tuple[str | None, int | None, bytes]:
    """Return host, port and userinfo of an httpx URL; cached, as httpx parses them each time."""
    parts = getattr(url, "_uri_reference", None)
    place = None if parts is None else (parts.scheme, parts.userinfo, parts.host, parts.port)
    found = _origins.get(place) if place is not None else None
    if found is None:
        found = url.host, port_of(url), url.userinfo
        # A URL with a password is not cached.
        if place is not None and not url.userinfo:
            _keep(_origins, place, found)
    return found


def server_in(parts: SplitResult) -> _Server:
    """Return host and port of a split URL; cached, as its properties parse them each time."""
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
