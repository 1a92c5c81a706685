"""A WSGI service that shows metrics of its own, as prometheus_client's manual has it.

Run by itself it takes a port as argument.
"""

import os
import sys
from wsgiref.simple_server import make_server

from prometheus_client import REGISTRY, CollectorRegistry, Counter, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector
from wsgi import app as ask

orders = Counter("orders", "Orders.")


def app(environ, start_response):
    """Ask Together, or show the metrics."""
    if environ["PATH_INFO"] != "/metrics":
        orders.inc(environ["PATH_INFO"] == "/")
        return ask(environ, start_response)
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return make_wsgi_app(registry)(environ, start_response)


if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
