"""Calls whose streams were dropped are ended by whichever thread comes next."""

import sys
from queue import SimpleQueue
from threading import Thread

from together_otel.calls import open_calls


class Contested(SimpleQueue):
    """A queue whose last item another thread takes right after somebody has seen it."""

    def empty(self):
        return False


def test_no_thread_waits_for_what_another_has_taken(monkeypatch):
    """It would wait until the next stream is dropped, in the middle of the application's call."""
    monkeypatch.setattr(open_calls, "dropped", Contested())
    thread = Thread(target=open_calls.end_dropped, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


class Stream:
    is_ended = False

    def abandoned(self, at=None):  # noqa: ARG002 - as what is opened has it
        self.is_ended = True


def test_calls_that_begin_while_all_end():
    """Threads that do not stop at the exit go on to open streams."""
    kept = [Stream(), Stream()]
    open_calls.opened(*kept)

    def trace(*_):
        kept.extend([Stream(), Stream()])
        open_calls.opened(*kept[-2:])
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        open_calls.end_all()
    finally:
        sys.settrace(before)
    assert kept[1].is_ended
