"""A job: makes a client, asks once, leaves a stream unread, and ends with exit code 3.

Arguments: `fork` forks a child that asks and ends as Python programs do.
"""

import os
import sys

import together

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
sys.exit(3)
