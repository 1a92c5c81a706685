"""Ports of loopback that nobody listens on."""

import socket
import threading

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free just now, and that this process had not yet."""
    with _lock:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in _given:
                _given.add(port)
                return port
