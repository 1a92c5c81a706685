"""Two thousand cases of the fuzzer show no key; with a door open, a few do."""

import pytest
from fuzz import failures
from fuzz_cases import rng_of, run_cases
from fuzz_keys import SHAPES, WRITINGS, make_key
from fuzz_oracle import Forbidden

from together_otel.keys import known, redaction, tracebacks
from together_otel.telemetry import attributes, labels, redacting_processor, spans

SEED = 14
CASES = 2_000
PIECE = 100
PART_LENGTH = 8


@pytest.mark.parametrize("first", range(0, CASES, PIECE))
def test_no_key_is_shown(first):
    assert failures(SEED, range(first, first + PIECE)) == []


def test_a_case_is_the_same_again_and_alone():
    def told(numbers):
        return [str(case) for case, _ in run_cases(SEED, iter(numbers))]

    together = told(range(10))
    assert told(range(10)) == together
    assert told(range(7, 8)) == together[7:8]
    assert len(set(together)) == len(together)


@pytest.fixture
def forgetful():
    """Let nothing be remembered of how texts were cleaned, before and afterwards."""
    caches = (
        known._known,
        redaction._redacted,
        tracebacks._frames,
        attributes._cleaned,
        attributes._answers,
        spans._starts,
    )
    for cache in caches:
        cache.clear()
    yield
    for cache in caches:
        cache.clear()


def open_door(text, *_, **__):
    return text


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    ("door", "name", "signals"),
    [
        (attributes, "redact", {"spans, OTLP", "logs, OTLP", "stderr"}),
        (labels, "redact", {"scrape", "metrics, OTLP", "textfile", "pushgateway", "OpenMetrics"}),
        (redacting_processor, "redact", {"spans, OTLP"}),
    ],
)
def test_an_open_door_is_noticed(door, name, signals, monkeypatch):
    """In each signal behind it."""
    monkeypatch.setattr(door, name, open_door)
    shown = set()
    for _, leaks in run_cases(SEED, range(200)):
        shown |= {leak.signal for leak in leaks}
        if signals <= shown:
            break
    assert signals <= shown


@pytest.mark.usefixtures("forgetful")
def test_a_writing_that_is_not_looked_for_is_noticed(monkeypatch):
    monkeypatch.setattr(known, "writings", lambda key: [key.strip()])
    pieces = (range(first, first + 20) for first in range(0, 200, 20))
    told = next(told for piece in pieces if "base64" in (told := str(failures(SEED, piece))))
    assert f"fuzz.py --seed {SEED} --case" in told


@pytest.mark.parametrize("writing", WRITINGS)
def test_what_is_written_is_found(writing):
    """Whatever looks for keys in what is emitted sees them in texts that nothing has hidden."""
    for shape in SHAPES:
        key = make_key(rng_of(SEED, shape, 0), shape)
        text = WRITINGS[writing](key.text)
        is_whole = key.text.endswith(key.core) and len(key.core) >= PART_LENGTH
        if writing in ("as is", "stripped", "bearer") or (is_whole and shape != "assignment"):
            assert Forbidden([key]).shown_in(f"before {text} after") is not None, shape
