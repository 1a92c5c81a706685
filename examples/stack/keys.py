# docker compose exec together python keys.py revoke
"""The key that the test server accepts: create a new one, or revoke it.

A new key takes the old one's place at the server and in the file that the application reads at
its start.
"""

import os
import sys
from pathlib import Path

from together_otel.testing.keys import MadeUpKeys

FOLDER = Path(os.environ.get("KEYS", "/keys"))
ACCEPTED = FOLDER / "accepted"
CURRENT = FOLDER / "current"

if __name__ == "__main__":
    if sys.argv[1:] == ["new"]:
        key = MadeUpKeys().together()
        CURRENT.write_text(key)
        ACCEPTED.write_text(key)
    elif sys.argv[1:] == ["revoke"]:
        ACCEPTED.write_text("")
    else:
        sys.exit("usage: python keys.py new|revoke")
