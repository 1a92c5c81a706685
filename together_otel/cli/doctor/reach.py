"""Addresses: whether something listens there, and whether it serves our metrics."""

import socket
from http.client import HTTPException
from urllib.parse import urlsplit

from together_otel.clients.addresses import in_url, port_of
from together_otel.names import is_ours
from together_otel.testing.fetch import fetch

_PATIENCE = 1.0
"""Seconds that an address may take to answer."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - a table of them


def place_of(url: str) -> tuple[str, int] | None:
    """Return host and port of a URL, ``None`` where it has none."""
    try:
        parts = urlsplit(url)
        return (parts.hostname, port_of(parts) or 80) if parts.hostname else None
    except ValueError:
        return None


def is_open(host: str, port: int) -> str:
    """Return ``""`` if something listens there, else why it cannot be reached."""
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except TimeoutError:
        return "timed out"
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    return ""


def url_of(host: str, port: int) -> str:
    """Return the URL by which this machine scrapes a server that binds ``host``."""
    return f"http://{in_url(_WILDCARDS.get(host, host))}:{port}/metrics"


def serves_ours(host: str, port: int) -> bool:
    """Return whether a scrape of that port has our metrics."""
    try:
        found = fetch(url_of(host, port), limit=_PATIENCE)
    except (OSError, HTTPException, ValueError):
        return False
    return any(is_ours(line) for line in found.text.splitlines())


def cannot_bind(host: str, port: int) -> OSError | None:
    """Return why a server cannot bind a port, ``None`` if it can."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            # As servers do: a port whose last holder has just gone can be had.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Two may bind with that option, as long as none listens.
            probe.listen(1)
    except OSError as exc:
        return exc
    return None
