"""What a process remembers of its keys."""

import gc
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from forking import holding, in_child

from together_otel.auth.history import KeyHistory
from together_otel.keys import identity_of
from together_otel.names import FINGERPRINT_LIMIT

ONE, TWO, THREE = b"one", b"two", b"three"


def test_nothing_is_known_of_a_new_key():
    history = KeyHistory()
    assert history.last_accepted(ONE) is None
    assert history.last_refused(ONE) is None


def test_times_are_the_latest():
    history = KeyHistory()
    history.accepted(ONE, 1.0)
    history.accepted(ONE, 2.0)
    history.refused(ONE, 3.0)
    history.refused(ONE, 4.0)
    assert history.last_accepted(ONE) == 2.0
    assert history.last_refused(ONE) == 4.0
    assert history.last_accepted(TWO) is None


def test_acceptance_without_failures_ends_nothing():
    history = KeyHistory()
    assert history.accepted(ONE, 1.0) is None
    assert history.accepted(ONE, 2.0) is None


def test_recovery_lasts_from_the_first_refusal_and_is_told_once():
    history = KeyHistory()
    history.accepted(ONE, 0.0)
    history.refused(ONE, 10.0)
    history.refused(ONE, 15.0)
    assert history.accepted(ONE, 22.5) == 12.5
    assert history.accepted(ONE, 23.0) is None
    history.refused(ONE, 30.0)
    assert history.accepted(ONE, 31.0) == 1.0
    assert history.is_fresh(ONE, 31.0)


def test_a_new_key_ends_the_failures_of_all():
    """A replaced key is another key: its first acceptance ends the old one's failures."""
    history = KeyHistory()
    history.refused(ONE, 10.0)
    history.refused(TWO, 12.0)
    assert history.accepted(THREE, 20.0) == 10.0
    assert history.accepted(THREE, 21.0) is None
    assert history.accepted(ONE, 22.0) is None
    history.refused(ONE, 30.0)
    assert history.accepted(ONE, 31.0) == 1.0


def test_a_known_key_ends_only_its_own_failures():
    history = KeyHistory()
    history.accepted(ONE, 1.0)
    history.accepted(TWO, 1.0)
    history.refused(ONE, 10.0)
    assert history.accepted(TWO, 11.0) is None
    history.refused(TWO, 12.0)
    assert history.accepted(TWO, 14.0) == 2.0
    assert history.accepted(ONE, 15.0) == 5.0


def test_a_missing_key_fails_and_any_key_ends_it():
    history = KeyHistory()
    history.refused(b"", 5.0)
    assert history.accepted(ONE, 8.0) == 3.0


def test_a_clock_set_back_gives_no_negative_duration():
    history = KeyHistory()
    history.accepted(ONE, 100.0)
    history.refused(ONE, 100.0)
    assert history.accepted(ONE, 90.0) == 0.0
    history.refused(ONE, 100.0)
    assert history.accepted(TWO, 90.0) == 0.0


def test_the_least_recently_used_is_forgotten():
    history = KeyHistory(limit=2)
    history.accepted(ONE, 1.0)
    history.accepted(TWO, 2.0)
    history.accepted(ONE, 3.0)
    history.refused(THREE, 4.0)
    assert history.last_accepted(TWO) is None
    assert history.last_accepted(ONE) == 3.0
    assert history.last_refused(THREE) == 4.0


def test_reading_does_not_keep_a_key():
    history = KeyHistory(limit=2)
    history.accepted(ONE, 1.0)
    history.accepted(TWO, 2.0)
    assert history.last_accepted(ONE) == 1.0
    history.accepted(THREE, 3.0)
    assert history.last_accepted(ONE) is None


def test_a_forgotten_failure_is_over():
    """What is forgotten while it fails no longer counts as failing."""
    history = KeyHistory(limit=1)
    history.refused(ONE, 1.0)
    assert history.accepted(TWO, 5.0) is None
    history.refused(TWO, 6.0)
    assert history.accepted(TWO, 8.0) == 2.0


def test_a_key_that_comes_back_is_not_new():
    """Its full record is forgotten, but not that it was accepted: others' failures go on."""
    history = KeyHistory(limit=2)
    history.accepted(ONE, 1.0)
    history.refused(TWO, 2.0)
    history.refused(THREE, 3.0)
    assert history.last_accepted(ONE) is None
    assert history.accepted(ONE, 4.0) is None
    assert history.accepted(THREE, 8.0) == 5.0


def test_whose_a_host_is_need_not_be_text_that_can_be_written():
    history = KeyHistory()
    history.accepted(ONE, 1.0, "\udcff.test")
    assert history.accepted_by(ONE, "\udcff.test") == 1.0
    assert history.accepted_by(ONE, "together") is None


def test_acceptances_outlast_records(monkeypatch):
    """The one that is longest ago goes first, and being accepted again is what counts."""
    monkeypatch.setattr("together_otel.auth.history.ACCEPTED_LIMIT", 3)
    history = KeyHistory(limit=1)
    for when, key in enumerate((ONE, TWO, THREE, ONE, b"four")):
        history.accepted(key, float(when))
    assert history.accepted_by(ONE, "together") == 3.0
    assert history.accepted_by(TWO, "together") is None
    assert history.accepted_by(THREE, "together") == 2.0


def test_ten_thousand_keys_are_remembered():
    history = KeyHistory()
    for number in range(10_001):
        history.accepted(number.to_bytes(16, "big"), float(number))
    assert history.accepted_by((0).to_bytes(16, "big"), "together") is None
    assert history.accepted_by((1).to_bytes(16, "big"), "together") == 1.0


@pytest.mark.parametrize(
    ("text", "host", "when", "fresh"),
    [
        (ONE, "here.test", 1.0, True),
        (ONE, "here.test", 1.49, True),
        (ONE, "here.test", 1.5, False),
        (ONE, "here.test", 0.9, False),
        (ONE, "there.test", 1.0, False),
        (ONE, None, 1.0, False),
        (TWO, "here.test", 1.0, False),
    ],
)
def test_only_the_same_acceptance_is_fresh(text, host, when, *, fresh):
    """Another host, or white space round the key, makes another one, to be noted of its own."""
    history = KeyHistory()
    history.accepted(b"key", 1.0, "together", ONE, "here.test")
    assert history.is_fresh(b"key", when, text, host) is fresh
    assert not history.is_fresh(b"other", when, text, host)


def test_nothing_is_fresh_while_anything_fails():
    history = KeyHistory()
    history.accepted(ONE, 1.0)
    history.refused(TWO, 1.0)
    assert not history.is_fresh(ONE, 1.1)
    history.accepted(THREE, 1.1)
    assert history.is_fresh(ONE, 1.1)
    history.refused(ONE, 1.2)
    history.accepted(b"four", 1.2)
    assert not history.is_fresh(ONE, 1.3)


def test_as_many_keys_as_fingerprints_are_remembered():
    history = KeyHistory()
    for number in range(FINGERPRINT_LIMIT + 1):
        history.accepted(bytes([number]), float(number))
    assert history.last_accepted(bytes([0])) is None
    assert history.last_accepted(bytes([1])) == 1.0
    assert len(history._records) == FINGERPRINT_LIMIT


def test_threads_end_each_outage_once():
    """However the threads interleave, as many recoveries as outages, and no count is lost."""
    history = KeyHistory(limit=4)
    start = threading.Barrier(8)
    recoveries = [[] for _ in range(8)]

    def hammer(number):
        mine = bytes([number % 4])
        start.wait()
        for turn in range(500):
            history.refused(mine, float(turn))
            lasted = history.accepted(mine, float(turn))
            if lasted is not None:
                recoveries[number].append(lasted)
            history.last_accepted(mine)
            history.last_refused(mine)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hammer, range(8)))
    failing = [one for one in history._records.values() if one.failing_since is not None]
    assert history.failing == len(failing) == 0
    assert 0 < sum(map(len, recoveries)) <= 8 * 500
    assert min(map(min, filter(None, recoveries))) >= 0.0


def test_the_lock_lets_its_own_thread_in_again():
    """A garbage collection inside the lock may end a stream, which notes an acceptance."""
    history = KeyHistory()
    with history._lock:
        history.accepted(ONE, 1.0)
    assert history.last_accepted(ONE) == 1.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # 3.12 on: fork and threads
def test_a_forked_child_is_not_locked_out():
    """Another thread holds the lock while the process forks: the child has a lock of its own."""
    history = KeyHistory()
    history.accepted(ONE, 1.0)

    def knows():
        assert history._lock.acquire(timeout=5)
        history.refused(ONE, 2.0)
        return (history.last_accepted(ONE), history.last_refused(ONE)) == (1.0, 2.0)

    with holding(history._lock):
        assert in_child(knows)
    assert history.last_refused(ONE) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_history_that_is_gone_does_not_trouble_a_fork():
    """The hook of a fork cannot be taken off, so it must not keep the history alive."""
    history = KeyHistory()
    itself = weakref.ref(history)
    del history
    gc.collect()
    assert itself() is None
    assert in_child(lambda: True)


def test_it_remembers_identities_and_no_keys():
    key = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"
    history = KeyHistory()
    history.refused(identity_of(key), 1.0)
    assert key not in repr(vars(history))
    assert history.last_refused(identity_of(f" {key}\n")) == 1.0
