"""Command that runs the server for other processes: ``python -m together_otel.testing --port 0``.

It prints its URL as its first line and serves until SIGTERM or SIGINT.
"""

import argparse
import contextlib
import signal
import sys
import threading
from pathlib import Path

from together_otel.testing.behaviours import Behaviour, refusal
from together_otel.testing.exchange import Exchange, Plan
from together_otel.testing.server import TogetherServer


def _keys_in(file: Path) -> Behaviour:
    """Accept the keys that the file contains now, one a line; none if the file is missing.

    A key that was revoked on the server is refused even if it is listed.
    """

    def plan(exchange: Exchange) -> Plan:
        keys: list[str] = []
        # The file may be missing for a moment while it is replaced.
        with contextlib.suppress(FileNotFoundError):
            keys = file.read_text().split()
        listed = exchange.request.key in keys
        return Plan(exchange.usual() if listed else refusal(exchange.request))

    return plan


def main() -> None:
    """Serve until a signal arrives, then exit with 0; exit with 2 on invalid arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m together_otel.testing",
        description="A stand-in for Together's API on loopback.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument(
        "--key-file",
        type=Path,
        help="keys to accept, one a line, read again for each request; default: any key",
    )
    options = parser.parse_args()
    if options.key_file is not None and not options.key_file.is_file():
        parser.error(f"no such file: {options.key_file}")
    ended = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: ended.set())
    try:
        server = TogetherServer(port=options.port).start()
    except (OSError, OverflowError) as exc:
        why = getattr(exc, "strerror", "expected 0 to 65535")
        parser.error(f"port {options.port} cannot be used: {why}")
    with contextlib.closing(server):
        if options.key_file is not None:
            server.always(_keys_in(options.key_file))
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        ended.wait()


if __name__ == "__main__":
    main()
