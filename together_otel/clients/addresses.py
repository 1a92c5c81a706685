"""What stands in a URL, whichever library's object it is: host, port, credentials."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_DEFAULT_PORTS = {"https": 443, "http": 80}


def port_of(url: Any) -> int | None:
    """Return a URL's port, its scheme's own where none is written.

    Args:
        url: anything with ``port`` and ``scheme``: of ``urlsplit``, or httpx's.
    """
    port: int | None = url.port or _DEFAULT_PORTS.get(url.scheme)
    return port


def in_url(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def basic_authorization(parts: SplitResult) -> str:
    """Return what a URL's user name and password are sent as; empty where it has none."""
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
