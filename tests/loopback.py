"""Hosts whose names lead to this machine, so that a server may stand for them."""

import socket


def resolve_to_loopback(monkeypatch, *hosts):
    """Let the names of hosts, as text and as bytes, be 127.0.0.1 until the test's end."""
    resolve = socket.getaddrinfo
    names = {*hosts, *(host.encode() for host in hosts)}

    def to_loopback(asked, *args, **kwargs):
        return resolve("127.0.0.1" if asked in names else asked, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)
