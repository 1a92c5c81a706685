"""Checks in a forked child."""

import os


def in_child(check):
    """Return what a check says in a forked child."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        answer = b"n"
        try:
            answer = b"y" if check() else b"n"
        finally:
            os.write(writing, answer)
            os._exit(0)
    # One byte, and no waiting for the child's end: gevent closes files and waits for children in
    # its own loop, which does not run here.
    answer = os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return answer == b"y"
