"""Error trackers send the local variables of every frame: those of ours hold no key."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("tracker", ["sentry", "stacks", "rich"])
def test_no_frame_of_ours_shows_a_key(tracker, run_program):
    """Of a call, a stream or a constructor that fails, by whatever way its key came."""
    found = run_program("trackers.py", tracker)
    assert found["looked"] > 100
    assert found["shown"] == {}
