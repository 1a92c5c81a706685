"""What stands in a URL, whichever library's object it is: host and port."""

from __future__ import annotations

from typing import Any

DEFAULT_PORTS = {"https": 443, "http": 80}


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
