"""Addresses: does something listen there, and does it serve this package's metrics?"""

import errno
import socket
from http.client import HTTPException
from urllib.parse import urlsplit

from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.clients.addresses import in_url, port_of
from together_otel.names import is_ours
from together_otel.testing.fetch import fetch

_PATIENCE = 1.0
"""Timeout of a connection in seconds."""
_NO_NAME = "the name of the host is not valid"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not bound here


def answers(topic: Topic, name: str, whose: str, url: str, variable: str) -> Finding:
    """Check whether ``name`` listens at the URL of ``variable``; ``whose`` is added if it does not.

    A URL without a scheme is gRPC's.

    Raises:
        ValueError: if the URL has no host or is invalid.
    """
    parts = urlsplit(url if "://" in url else f"grpc://{url}")
    host, port = parts.hostname, port_of(parts) or 80
    if not host:
        raise ValueError("the URL has no host")
    if why := _unreached(host, port):
        return topic.warning(
            f"{name}{whose}, {host} port {port}, does not answer from here ({why}).",
            f"Start it, or point {variable} at it.",
        )
    return topic.ok(f"{name} at {parts.scheme}://{host}:{port} answers.")


def _unreached(host: str, port: int) -> str:
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
