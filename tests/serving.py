"""Servers of the tests' own: quiet, in a thread, for the length of a block."""

import threading
from contextlib import contextmanager
from socketserver import BaseServer
from typing import TypeVar

Server = TypeVar("Server", bound=BaseServer)


class Quiet:
    """The part of a handler that logs nothing."""

    def log_message(self, format, *args):  # noqa: A002 - http.server's name
        pass


@contextmanager
def serving(server):
    """Serve from a thread of its own until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
