"""Counters that wait, events that repeat, handlers that listen: the small parts."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from forking import holding, in_child

from together_otel.auth.registry import KeyRegistry
from together_otel.names import AUTH_FAILED, AUTH_FAILURES, CAUSES, REQUESTS
from together_otel.telemetry import events
from together_otel.telemetry.counts import Counts


def test_every_cause_exists_at_zero():
    assert Counts().read(AUTH_FAILURES) == [((cause,), 0) for cause in CAUSES]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_starts_at_zero_with_a_free_lock():
    """No inherited count is reported twice, though the fork came while a thread counted."""
    counts = Counts()
    counts.add((counts.of(AUTH_FAILURES, ("revoked",)), 3))

    def starts_at_zero():
        counts.restart()
        return counts.read(AUTH_FAILURES) == [((one,), 0) for one in CAUSES]

    with holding(counts._lock):
        assert in_child(starts_at_zero)
    assert (("revoked",), 3) in counts.read(AUTH_FAILURES)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_child_keeps_what_is_known_of_keys():
    """A key accepted before the fork and refused after it is revoked."""
    keys = KeyRegistry(fingerprint=True)
    report = keys.of("tgp_" + "v1_" + "aB3_" * 10 + "abc", "argument")
    keys.history.accepted(report.identity, 5.0)
    assert in_child(lambda: keys.history.last_accepted(report.identity)) == 5.0


def test_counts_of_many_threads():
    counts = Counts()

    def work(_):
        for _ in range(2000):
            counts.add((counts.of(REQUESTS, ("chat", "success")), 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert counts.read(REQUESTS) == [(("chat", "success"), 16_000)]


def test_repeats():
    """One an interval passes, and says how many were held back."""
    repeats = events.Repeats(60.0)
    assert [repeats.passes("a", now) for now in (0.0, 1.0, 59.9, 60.0, 61.0, 200.0)] == [
        0,
        None,
        None,
        2,
        None,
        1,
    ]
    assert repeats.passes("b", 61.0) == 0
    always = events.Repeats(0.0)
    assert [always.passes("a", 0.0) for _ in range(3)] == [0, 0, 0]
    assert repeats.passes("a", 61.0) is not None  # freezegun's clock has come and gone


def test_repeats_are_bounded():
    repeats = events.Repeats(1e9)
    for number in range(2000):
        repeats.passes(number, 0.0)
    assert len(repeats._seen) <= 256


def test_message_is_key_value_text():
    """Short names, quotes where there are spaces, one line."""
    text = events.message(
        AUTH_FAILED,
        {
            "together.auth.cause": "empty",
            "together.auth.remedy": 'set "it"',
            "together.api_key.problems": ["newline", "quoted"],
            "http.response.status_code": 401,
        },
    )
    assert text == (
        "together.client.auth_failed cause=empty remedy=\"set 'it'\""
        " api_key.problems=newline,quoted http.response.status_code=401"
    )


def test_percent_signs_and_keys_in_fields(caplog):
    """A field's text is neither a format nor a way out for a key."""
    key = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
    with caplog.at_level(logging.ERROR, "together_otel"):
        events.emit(AUTH_FAILED, logging.ERROR, {"exception.message": f"100% of {key}"})
    assert "100% of tgp_v1_[key]" in caplog.text
    assert getattr(caplog.records[0], "exception.message") == "100% of tgp_v1_[key]"
