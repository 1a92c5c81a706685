"""Addresses: does something listen there, and does it serve this package's metrics?"""

import errno
import socket
from http.client import HTTPException
from urllib.parse import urlsplit

from together_otel.clients.addresses import in_url, port_of
from together_otel.names import is_ours
from together_otel.testing.fetch import fetch

_PATIENCE = 1.0
"""Timeout of a connection in seconds."""
_NO_NAME = "the name of the host is not valid"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not bound here


def place_of(url: str) -> tuple[str, int] | None:
    """Return host and port of a URL, or ``None`` if it has no host or is invalid."""
    try:
        parts = urlsplit(url)
        return (parts.hostname, port_of(parts) or 80) if parts.hostname else None
    except ValueError:
        return None


def is_open(host: str, port: int) -> str:
    """Return ``""`` if something listens at an address, or else why it cannot be reached."""
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except TimeoutError:
        return "timed out"
    except OSError as exc:
        return exc.strerror or type(exc).__name__
    except UnicodeError:
        return _NO_NAME
    return ""


def url_of(host: str, port: int) -> str:
    """Return the URL at which this machine can scrape a server that binds ``host``."""
    return f"http://{in_url(_WILDCARDS.get(host, host))}:{port}/metrics"


def serves_ours(host: str, port: int) -> bool:
    """Return whether a port serves this package's metrics."""
    try:
        found = fetch(url_of(host, port), limit=_PATIENCE)
    except (OSError, HTTPException, ValueError):
        return False
    return any(is_ours(line) for line in found.text.splitlines())


def cannot_bind(host: str, port: int) -> OSError | None:
    """Return the error that a server would get when binding a port, or ``None``."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            # As servers do, so that a port that was closed a moment ago can be bound.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # With that option, several sockets can bind a port, but only one can listen.
            probe.listen(1)
    except OSError as exc:
        return exc
    except UnicodeError:
        return OSError(errno.EINVAL, _NO_NAME)
    return None
