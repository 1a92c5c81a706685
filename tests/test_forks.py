"""What a forked child renews: locks that were held, and the state of objects that ask for it."""

import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
from forking import holding, in_child
from processes import PATIENCE

from together_otel import forks
from together_otel.forks import ForkSafeLock, in_forked_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def acquired_elsewhere(lock):
    """Tell whether another thread can acquire a lock."""
    found = []
    thread = threading.Thread(target=lambda: found.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    return found == [True]


def test_held_by_another_thread():
    """A lock that another thread holds during the fork is free in the child, and only there."""
    lock = ForkSafeLock()
    with holding(lock):
        assert in_child(lambda: lock.acquire(blocking=False))
        assert not lock.acquire(blocking=False)


def test_held_by_the_forking_thread():
    """A child that begins inside the locked region leaves it as its parent does."""
    lock = ForkSafeLock()

    def leave():
        taken = acquired_elsewhere(lock)
        lock.release()
        return not taken and acquired_elsewhere(lock)

    with lock:
        assert in_child(leave)
    assert acquired_elsewhere(lock)


def test_reentrant():
    lock = ForkSafeLock()
    with lock, lock:
        assert not acquired_elsewhere(lock)
    assert acquired_elsewhere(lock)


GEVENT = """
from gevent import monkey

monkey.patch_all()
from forking import holding, in_child
from test_forks import acquired_elsewhere

from together_otel.forks import ForkSafeLock

lock = ForkSafeLock()
with holding(lock):
    assert in_child(lambda: lock.acquire(blocking=False))
    assert not lock.acquire(blocking=False)
assert acquired_elsewhere(lock)
"""


def test_with_gevent():
    """The same where gevent put its own locks in place of the standard library's."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", GEVENT], env=environment, check=True, timeout=PATIENCE)


class Counter:
    """Counts the forks that it is told of."""

    def __init__(self, log=None, name=""):
        self.lock = ForkSafeLock()
        self.log, self.name = [] if log is None else log, name
        in_forked_child(self._after_fork)

    def _after_fork(self):
        self.log.append(self.name)
        if self.name == "raises":
            raise ValueError(self.name)


def test_nothing_is_kept_alive():
    """A thousand objects with locks and methods are collected, and nothing of them is left."""
    locks, methods = len(forks._locks), len(forks._methods)
    made = [weakref.ref(Counter()) for _ in range(1000)]
    gc.collect()
    assert [one for one in made if one() is not None] == []
    assert (len(forks._locks), len(forks._methods)) == (locks, methods)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_raises_does_not_stop_the_others():
    """Each method is called, in the order of registration."""
    log = []
    kept = [Counter(log, name) for name in ("first", "raises", "last")]
    assert in_child(lambda: log == [one.name for one in kept])
    assert log == []


def test_a_number_that_no_process_has_is_not_alive():
    """Names of files in a shared folder may have any number of digits."""
    assert forks.is_alive(os.getpid())
    assert not forks.is_alive(10**20)
