"""What is remembered of keys, and what is looked at anew."""

from __future__ import annotations

from together_otel.auth.registry import KeyRegistry

KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"


def test_a_key_that_may_work_is_inspected_once(monkeypatch):
    """And keeps where it came from at first, though a copy of the client hands it on."""
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    ring = KeyRegistry(fingerprint=True)
    report, news = ring.constructed(KEY, "environment")
    assert news
    assert ring.constructed(KEY, "argument") == (report, False)
    assert ring.of(KEY) is report


def test_what_is_wrong_with_a_key_goes_by_its_surroundings(monkeypatch):
    """An argument stands before a good variable only as long as there is one."""
    ring = KeyRegistry(fingerprint=True)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    assert ring.constructed("changeme", "argument")[0].shadows
    monkeypatch.delenv("TOGETHER_API_KEY")
    assert not ring.constructed("changeme", "argument")[0].shadows
    assert not ring.of("changeme").shadows


def test_white_space_is_part_of_what_is_wrong():
    """Of two spellings of one key, each is told by its own."""
    ring = KeyRegistry(fingerprint=True)
    assert ring.constructed(f"{KEY}\n", "argument")[0].problems == ("newline",)
    assert ring.constructed(f"{KEY} ", "argument")[0].problems == ("surrounding_whitespace",)
    assert ring.constructed(KEY, "argument")[0].problems == ()


def test_a_bad_key_of_a_variable_stays_the_variables(monkeypatch):
    """A copy of its client is no news, and the remedy names the variable."""
    monkeypatch.setenv("TOGETHER_API_KEY", f"{KEY}\n")
    ring = KeyRegistry(fingerprint=True)
    report, _ = ring.constructed(f"{KEY}\n", "environment")
    assert ring.constructed(f"{KEY}\n", "argument") == (report, False)
    assert ring.of(f"{KEY}\n").variable == "TOGETHER_API_KEY"


def test_a_key_was_just_accepted(monkeypatch):
    """By the host that accepted it, at the time that it did, and only once it was looked at."""
    now = 1_000.0
    monkeypatch.setattr("together_otel.auth.registry.time.time", lambda: now)
    ring = KeyRegistry(fingerprint=True)
    report, _ = ring.constructed(KEY, "argument")
    ring.history.accepted(report.identity, now, text=report.text_identity, host="a.test")
    assert not ring.was_just_accepted(KEY, "a.test")
    ring.look(KEY)
    assert ring.was_just_accepted(KEY, "a.test")
    assert not ring.was_just_accepted(KEY, "b.test")
    assert not ring.was_just_accepted(KEY[:-1], "a.test")
    assert not ring.was_just_accepted(KEY.encode(), "a.test")
    now += 1
    assert not ring.was_just_accepted(KEY, "a.test")


def test_no_more_keys_are_remembered_than_fingerprints_are_told(monkeypatch):
    """Of more, the one that was used least recently is forgotten, and news again."""
    for name in ("FINGERPRINT_LIMIT", "_SEEN_LIMIT"):
        monkeypatch.setattr(f"together_otel.auth.registry.{name}", 2)
    ring = KeyRegistry(fingerprint=True)
    keys = [KEY[:-1] + letter for letter in "xyz"]
    for key in keys:
        assert ring.constructed(key, "argument")[1]
        ring.look(key)
    assert [use.fingerprint for use in ring.in_use()] == [
        ring.of(key).fingerprint for key in keys[1:]
    ]
    assert ring.constructed(keys[0], "argument")[1]
