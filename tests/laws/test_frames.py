"""Error trackers send the local variables of every frame: those of ours hold no key."""

import logging
import sys
from traceback import walk_tb

import pytest

from together_otel import guard
from together_otel.testing import MadeUpKeys


@pytest.mark.parametrize("tracker", ["sentry", "stacks", "rich"])
def test_no_frame_of_ours_shows_a_key(tracker, run_program):
    """Of a call, a stream or a constructor that fails, by whatever way its key came."""
    found = run_program("trackers.py", tracker)
    assert found["looked"] > 100
    assert found["shown"] == {}


def test_an_error_of_ours_is_logged_without_the_locals_of_its_frames(monkeypatch):
    """A handler may look at the exception that is being handled."""
    seen = []

    class Looking(logging.Handler):
        def emit(self, record):
            del record
            frames = [frame for frame, _ in walk_tb(sys.exc_info()[2])]
            seen.extend(value for frame in frames[1:] for value in frame.f_locals.values())
            seen.append(len(frames))

    def fails(argument):
        raise LookupError(argument and "no key")

    monkeypatch.setattr(guard.Guard, "raising", False)
    monkeypatch.setattr(guard, "_log", logging.getLogger("made up"))
    monkeypatch.setattr(guard._log, "handlers", [Looking()])
    with guard.Guard("begin", lambda _stage: None):
        fails(MadeUpKeys().together())
    assert seen == [2]
