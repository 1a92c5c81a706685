"""200 calls by a pool of 4 processes; its argument is how it starts them.

Prints that it is done once all of them have ended, and lives until its standard input ends.
"""

import multiprocessing
import os
import sys

from together import Together


def begin(barrier):
    """Keep what the processes of the pool wait for one another by."""
    global meet  # noqa: PLW0603 - how a pool hands it over
    meet = barrier


def ask(times):
    """Ask Together, at the same time as the others; tell which process did."""
    meet.wait()
    client = Together(max_retries=0)
    for _ in range(times):
        client.chat.completions.create(
            model="a/model", messages=[{"role": "user", "content": "Hello"}]
        )
    return os.getpid()


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(4, begin, (context.Barrier(4),)) as pool:
        seen = set(pool.map(ask, [50] * 4, chunksize=1))
        pool.close()
        pool.join()
    print("done by", len(seen), flush=True)  # noqa: T201 - what the test waits for
    sys.stdin.read()
