"""What is remembered of keys, and what is looked at anew."""

from together_otel.auth.registry import KeyRegistry
from together_otel.keys import TOGETHER, Reader
from together_otel.telemetry.metrics import KeyUse

KEY = "tgp_" + "v1_" + "aB3_" * 10 + "abc"


def test_a_key_that_may_work_is_inspected_once(monkeypatch):
    """And keeps where it came from at first, though a copy of the client hands it on."""
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    ring = KeyRegistry(fingerprint=True)
    report, news = ring.constructed(KEY, "environment")
    assert news
    assert ring.constructed(KEY, "argument") == (report, False)
    assert ring.of(KEY) is report
    assert ring.look(KEY) is ring.look(KEY)


def test_a_key_that_was_an_argument_is_the_variables_once_it_comes_from_there():
    ring = KeyRegistry(fingerprint=True)
    for key in (KEY, ""):
        assert ring.constructed(key, "argument")[0].source == "argument"
        report, news = ring.constructed(key, "environment")
        assert (report.source, news) == ("environment", True)
    assert ring.constructed("", "argument")[0].source == "argument"


def test_clients_that_share_an_http_client_have_each_their_own_keys(monkeypatch):
    """A refused one is not inspected anew, by variables that may have changed since."""
    ring, http_client = KeyRegistry(fingerprint=True), type("Client", (), {})()
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    first, _ = ring.constructed(KEY, "environment", owner=http_client)
    other, _ = ring.constructed(KEY[:-1] + "x", "argument", owner=http_client)
    monkeypatch.delenv("TOGETHER_API_KEY")
    assert ring.read_by(http_client, KEY, TOGETHER) is first
    assert ring.read_by(http_client, KEY[:-1] + "x", TOGETHER) is other


def test_reports_are_of_the_client_and_carry_no_fingerprint_where_none_is_wanted():
    ring, reader = KeyRegistry(fingerprint=False), Reader("openai", "OpenAI", ("OPENAI_API_KEY",))
    reports = (
        ring.constructed(KEY[:-1] + "x", "argument", reader)[0],
        ring.of(KEY[:-1] + "y", reader=reader),
        ring.look(KEY[:-1] + "z", reader)[0],
    )
    for report in reports:
        assert report.fingerprint is None
        assert report.reader is reader


def test_a_key_is_looked_for_in_texts():
    ring = KeyRegistry(fingerprint=True)
    assert KEY[7:] not in ring.look(KEY)[1].hide(KEY)
    assert ring.look(None)[1].hide("None") == "None"


def test_what_is_wrong_with_a_key_goes_by_its_surroundings(monkeypatch):
    """An argument stands before a good variable only as long as there is one."""
    ring = KeyRegistry(fingerprint=True)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    assert ring.constructed("changeme", "argument")[0].shadows
    assert ring.look("changeme")[0].shadows
    monkeypatch.delenv("TOGETHER_API_KEY")
    assert not ring.constructed("changeme", "argument")[0].shadows
    assert not ring.of("changeme").shadows
    assert not ring.look("changeme")[0].shadows


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


def test_a_bad_key_that_was_an_argument_stays_one(monkeypatch):
    """Though a variable holds the same text."""
    monkeypatch.setenv("TOGETHER_API_KEY", f"{KEY}\n")
    ring = KeyRegistry(fingerprint=True)
    ring.constructed(f"{KEY}\n", "argument")
    assert ring.of(f"{KEY}\n").source == "argument"


def test_a_key_was_just_accepted(monkeypatch):
    """By the host that accepted it, at the time that it did, and only once it was looked at."""
    now = 1_000.0
    monkeypatch.setattr("together_otel.plain.clocks.time", lambda: now)
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


def test_keys_in_use_say_when_they_were_accepted_and_refused():
    ring = KeyRegistry(fingerprint=True)
    report, _ = ring.constructed(KEY, "argument")
    ring.constructed("short", "argument")
    ring.history.accepted(report.identity, 1.0)
    ring.history.refused(report.identity, 2.0)
    assert ring.in_use() == [KeyUse(report.fingerprint, "tgp_v1", "argument", 1.0, 2.0)]


def test_no_more_keys_are_remembered_than_fingerprints_are_told(monkeypatch):
    """Of more, the one that was used least recently is forgotten, and news again."""
    for name in ("FINGERPRINT_LIMIT", "_SEEN_LIMIT"):
        monkeypatch.setattr(f"together_otel.auth.registry.{name}", 2)
    ring = KeyRegistry(fingerprint=True)
    keys = [KEY[:-1] + letter for letter in "xyz"]
    for key in keys:
        assert ring.constructed(key, "argument")[1]
        ring.look(key)
        assert len(ring._looked_at) <= 2
    assert [use.fingerprint for use in ring.in_use()] == [
        ring.of(key).fingerprint for key in keys[1:]
    ]
    assert ring.constructed(keys[0], "argument")[1]
