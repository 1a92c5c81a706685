"""Checks in a forked child, while another thread of the parent holds locks."""

import json
import os
import signal
import threading
from contextlib import contextmanager

PATIENCE = 240


def in_child(work):
    """Return what something returns in a forked child, as JSON has it."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        # It may hang in a lock: that is what is tested.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    # At one stroke, and no waiting for the child's end: gevent reads files and waits for children
    # in its own loop, which does not run here.
    answer = os.read(reading, 65_536)
    os.close(reading)
    assert answer, "the child hung, or raised"
    return json.loads(answer)


@contextmanager
def holding(*locks):
    """Let another thread hold locks during the block."""
    held, done = threading.Event(), threading.Event()

    def hold():
        for lock in locks:
            lock.acquire()
        held.set()
        done.wait(2 * PATIENCE)
        for lock in locks:
            lock.release()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(PATIENCE)
    try:
        yield
    finally:
        done.set()
        thread.join()
