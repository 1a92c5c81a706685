"""A job: makes a client, asks once, leaves a stream unread, and ends with exit code 3.

Arguments: `fork` forks a child that asks and ends as Python programs do; `hurry` leaves the
exit's two seconds as they are, which a busy machine may need for an export that goes well;
`uninstrument` turns the instrumentation off before the end.
"""

import os
import sys

import together

import together_otel
from together_otel.telemetry import exit_export

if "hurry" not in sys.argv:
    exit_export.LIMIT = exit_export._ATTEMPT = 300.0

client = together.Together(max_retries=0)
QUESTION = {"model": "a/model", "messages": [{"role": "user", "content": "Hello"}]}
client.chat.completions.create(**QUESTION)
if "fork" in sys.argv:
    if (child := os.fork()) == 0:
        client.chat.completions.create(**QUESTION)
        sys.exit(0)
    os.waitpid(child, 0)
stream = client.chat.completions.create(**QUESTION, stream=True)
next(stream)
if "uninstrument" in sys.argv:
    together_otel.uninstrument()
sys.exit(3)
