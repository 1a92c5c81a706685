"""Servers of the tests' own: quiet, in a thread, for the length of a block."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Quiet:
    """The part of a handler that logs nothing, and reads and answers at one stroke."""

    def log_message(self, format, *args):  # noqa: A002 - http.server's name
        pass

    def body(self):
        """Return what was posted."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def answer(self, status, body=b"", **headers):
        """Answer with a body, which may be empty."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)


def answering(answer):
    """Return a server on loopback that hands each request, which is `Quiet`, to a function."""

    class Request(Quiet, BaseHTTPRequestHandler):
        def answered(self):
            answer(self)

        do_GET = do_POST = answered  # noqa: N815 - http.server finds them by these names

    return ThreadingHTTPServer(("127.0.0.1", 0), Request)


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
