# docker compose run --rm ready
"""Waits until every URL answers with 200, for images without a shell for a health check."""

import sys
import time
import urllib.request

PATIENCE = 120.0
"""Seconds; Loki says that it is ready 15 s after its start."""


def answers(url: str) -> bool:
    """Return whether a URL answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - of compose.yaml
            return True
    except OSError:
        return False


if __name__ == "__main__":
    deadline = time.monotonic() + PATIENCE
    waiting = sys.argv[1:]
    while waiting := [url for url in waiting if not answers(url)]:
        if time.monotonic() > deadline:
            sys.exit(f"not ready: {', '.join(waiting)}")
        time.sleep(0.5)
