"""Calls whose streams were dropped are ended by whichever thread comes next."""

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
