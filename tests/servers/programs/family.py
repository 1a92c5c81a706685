"""A process that forks others; each makes calls, and lives until its standard input ends.

Arguments: how many others, and how many calls each makes. Prints whether another instrumentation
is on, and each process's number once it has made its calls.
"""

import os
import sys

from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from together import Together

OTHERS, CALLS = map(int, sys.argv[1:])


def say(*words):
    """Print in one piece: others print as well."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def live():
    """Make the calls and wait."""
    client = Together(max_retries=0)
    for _ in range(CALLS):
        client.chat.completions.create(
            model="a/model", messages=[{"role": "user", "content": "Hello"}]
        )
    say("called", os.getpid())
    sys.stdin.read()


say("httpx is instrumented:", HTTPXClientInstrumentor().is_instrumented_by_opentelemetry)
os.chdir("/")  # as many servers do before they fork
for _ in range(OTHERS):
    if os.fork() == 0:
        live()
        os._exit(0)
live()
for _ in range(OTHERS):
    os.wait()
