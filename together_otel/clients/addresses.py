"""Host and port of a URL, whichever library the URL object comes from."""

from typing import Any
from urllib.parse import SplitResult

from together_otel.keys.hosts import hosts_in, is_together_host
from together_otel.plain.bounded import Bounded

DEFAULT_PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}


def is_absolute(url: str) -> bool:
    """Return whether an HTTP URL has a scheme and a host; its query may contain another URL."""
    return "://" in url[:8]


def is_together_url(url: object, hosts: tuple[str, ...]) -> bool:
    """Return whether a base URL, perhaps without a scheme, is at Together or one of the hosts."""
    found = hosts_in(str(url or ""))
    return bool(found) and is_together_host(found[0], hosts)


def port_of(url: Any) -> int | None:
    """Return the port of a URL of ``urlsplit`` or httpx, or the default port of its scheme."""
    port: int | None = url.port or DEFAULT_PORTS.get(url.scheme)
    return port


def in_url(host: str) -> str:
    """Return a host as it is written before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


_Server = tuple[str | None, int | None]
_servers: Bounded[tuple[str, str], _Server] = Bounded(256)
_origins: Bounded[tuple[Any, ...], tuple[str | None, int | None, bytes]] = Bounded(256)


def origin_of(url: Any) -> tuple[str | None, int | None, bytes]:
    """Return host, port and userinfo of an httpx URL; cached, as httpx parses them each time."""
    parts = getattr(url, "_uri_reference", None)
    place = None if parts is None else (parts.scheme, parts.userinfo, parts.host, parts.port)
    found = _origins.get(place) if place is not None else None
    if found is None:
        found = url.host, port_of(url), url.userinfo
        # A URL with a password is not cached.
        if place is not None and not url.userinfo:
            _origins[place] = found
    return found


def server_in(parts: SplitResult) -> _Server:
    """Return host and port of a split URL; cached, as its properties parse them each time."""
    place = parts.scheme, parts.netloc
    found = _servers.get(place)
    if found is None:
        found = parts.hostname, port_of(parts)
        if "@" not in parts.netloc:
            _servers[place] = found
    return found
