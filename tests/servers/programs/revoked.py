"""A call that is accepted, then a fork, and in the child one that is refused.

Prints that it is done, and lives until its standard input ends.
"""

import contextlib
import os
import sys

from together import AuthenticationError, Together


def call():
    """Ask Together."""
    Together(max_retries=0).chat.completions.create(
        model="a/model", messages=[{"role": "user", "content": "Hello"}]
    )


call()
if os.fork() == 0:
    with contextlib.suppress(AuthenticationError):
        call()
    os._exit(0)
os.wait()
print("done", flush=True)  # noqa: T201 - what the test waits for
sys.stdin.read()
