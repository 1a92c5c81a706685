"""Whatever the key and however it fails, nothing that we say of it gives it away.

A stretch of eight characters of a key is a leak unless it is public: part of a sentence or of
a name that is the same for every key. Keys are therefore drawn from letters and signs that
neither our sentences nor the code in a traceback hold eight of in a row; wrappings such as
``TOGETHER_API_KEY=`` are put around them afterwards, and are no secret.
"""

import base64
import html
import json
import re
import traceback
from functools import cache
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from together_otel.keys import (
    KeyReport,
    Refusal,
    can_be_sent,
    diagnose,
    identity_of,
    inspect_key,
    redact,
    redact_exception,
)
from together_otel.keys.formats import PROVIDER_PREFIXES
from together_otel.keys.shapes import PATTERNS, without_shapes
from together_otel.names import FORMATS, PROBLEMS

PREFIX = "tgp_" + "v1_"
MARK = "[key]"

quick = settings(derandomize=True, deadline=None, max_examples=150)

# No word of ours is spelt with capitals and digits in turns.
BODIES = st.lists(
    st.sampled_from("QXZJKVWY") | st.sampled_from("0123456789") | st.sampled_from("_-"),
    min_size=43,
    max_size=43,
).map("".join)
LEGACY = st.text("0123456789abcdef", min_size=64, max_size=64)
DAMAGES = {
    "newline": lambda key: key + "\n",
    "carriage return": lambda key: key + "\r\n",
    "space before": lambda key: " " + key,
    "space after": lambda key: key + " ",
    "space inside": lambda key: key[:11] + " " + key[11:],
    "newline inside": lambda key: key[:19] + "\n" + key[19:],
    "tab": lambda key: key[:23] + "\t" + key[23:],
    "NUL": lambda key: key[:13] + "\0" + key[13:],
    "accent": lambda key: key[:17] + "é" + key[18:],
    "no-break space": lambda key: key + "\u00a0",
    "byte-order mark": lambda key: "\ufeff" + key,
    "zero width": lambda key: key[:29] + "\u200b" + key[29:],
    "surrogate": lambda key: key[:31] + "\udc80" + key[31:],
    "emoji": lambda key: key + "\U0001f511",
    "quotes": lambda key: f'"{key}"',
    "apostrophes": lambda key: f"'{key}'",
    "backslash": lambda key: key[:15] + "\\" + key[15:],
    "Bearer": lambda key: "Bearer " + key,
    "assignment": lambda key: "TOGETHER_API_KEY=" + key,
    "twice": lambda key: key + key,
    "one lost": lambda key: key[:-1],
    "one more": lambda key: key + "Q",
    "lower": str.lower,
    "upper": str.upper,
    "percent": lambda key: quote(key.encode("utf-8", "surrogatepass")),
}
DAMAGED = st.builds(
    lambda key, damages: (key, damages),
    st.one_of(BODIES.map(lambda body: PREFIX + body), LEGACY),
    st.lists(st.sampled_from(sorted(DAMAGES)), max_size=4),
)
# Arbitrary text: all of Unicode but the letters and signs that sentences and code are made of.
# Spaces and line ends are among it, so that keys of many lines and words come up.
FOREIGN = st.characters(exclude_characters="abcdefghijklmnopqrstuvwxyz. ~^|-[]")
ARBITRARY = st.text(FOREIGN, min_size=8, max_size=60).filter(lambda key: len(key.strip()) >= 8)

WRITINGS = [
    str,
    str.upper,
    str.lower,
    repr,
    ascii,
    json.dumps,
    lambda key: repr(key.encode("utf-8", "surrogatepass")),
    lambda key: quote(key.encode("utf-8", "surrogatepass"), safe=""),
    lambda key: base64.b64encode(b"u:" + key.encode("utf-8", "surrogatepass")).decode(),
    lambda key: quote_plus(key.encode("utf-8", "surrogatepass")),
    lambda key: base64.urlsafe_b64encode(key.encode("utf-8", "surrogatepass")).decode(),
    html.escape,
    lambda key: " ".join(key[at : at + 8] for at in range(0, len(key), 8)),
    lambda key: f"{key[:8]}********{key[-4:]}",
    lambda key: f"https://{quote(key.encode('utf-8', 'surrogatepass'), safe='')}@h.example/v1",
    lambda key: f"Illegal header value b'Bearer {key}'",
    lambda key: repr({"error": {"message": f"Invalid API key: {key}"}}),
    lambda key: f"Authorization: Bearer {key}\r\nHost: api.together.ai",
]


def damage(key, damages):
    for name in damages:
        key = DAMAGES[name](key)
    return key


def public(stretch, wrappings):
    """Tell whether it is the same for every key."""
    known = ("TOGETHER_API_KEY", "Authorization: Bearer ", PREFIX, MARK, wrappings)
    return any(stretch in one for one in (*known, *told_of_another()))


def stretches(key, wrappings):
    """Return what must not be seen: eight in a row of the key without what is public."""
    secret = key.strip().removeprefix(PREFIX)
    return {
        stretch
        for place in range(len(secret) - 7)
        if not public(stretch := secret[place : place + 8], wrappings)
    }


def tell(key):
    """Return everything that is told of a key, in every way it is found and fails."""
    told = []
    for source in ("argument", "environment", "header", "colab"):
        report = inspect_key(key, source=source, environ={"TOGETHER_API_KEY": key})
        told += [repr(report), str(report)]
        told += [str(getattr(report, name)) for name in KeyReport.__slots__]
        told += [
            diagnose(report, refusal).remedy
            for refusal in (
                Refusal("constructor"),
                Refusal("unsendable"),
                Refusal("refused"),
                Refusal("refused", accepted_before=1.0),
                Refusal("refused", code="missing_api_key"),
                Refusal("refused", sent="other", override="extra_headers"),
                Refusal("refused", host_refused="proxy.example", from_together=False),
            )
        ]
    return told


@cache
def told_of_another():
    """Return what is told of a key that shares nothing with those that hypothesis makes up."""
    return tell("\u4e8c" * 9)


def caught(write, key):
    """Return the exception that a use of the key ends in, with its cause and tracebacks."""
    try:
        try:
            raise ValueError(write(key))  # noqa: TRY301 - the chain is what is tested
        except ValueError as error:
            raise ConnectionError("Connection error.") from error
    except ConnectionError as error:
        return error


def unencodable(key):
    with pytest.raises(UnicodeEncodeError) as error:
        f"Bearer {key}\udc80".encode("ascii")
    return [error.value]


def fail(key):
    """Return exceptions as a key in a header causes them."""
    return [
        *unencodable(key),
        *(caught(write, key) for write in (str, repr, ascii, json.dumps)),
        KeyError(key),
        OSError(13, key),
        ValueError({"body": [key, key.encode("utf-8", "ignore")]}),
    ]


def assert_nothing_leaks(key, wrappings=""):
    secret = stretches(key, wrappings)
    told = tell(key)
    told += [redact(write(key), [key]) for write in WRITINGS]
    for exc in fail(key):
        redacted = redact_exception(exc, [key])
        told += [redacted.type, redacted.message, redacted.stacktrace, repr(redacted)]
    for text in told:
        assert key not in text or not secret
        assert not [stretch for stretch in secret if stretch in text]


@quick
@given(DAMAGED)
@example((PREFIX + "QX" * 21 + "-", ["assignment", "quotes", "newline", "Bearer"]))
@example((PREFIX + "QX" * 21 + "-", ["assignment", "Bearer"]))
def test_damaged_key_never_leaks(case):
    key, damages = case
    assert_nothing_leaks(damage(key, damages), wrappings=damage("", damages))


@quick
@given(ARBITRARY)
@example("TOGETHER")
@example("0GETHER_O")
@example("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" * 8)
@example("\N{GREEK CAPITAL LETTER SIGMA}" * 9)
@example("\N{LATIN SMALL LETTER SHARP S}" * 9)
@example("\\'\"\\'\"\\'\"")
def test_arbitrary_key_never_leaks(key):
    assert_nothing_leaks(key)


def test_the_check_finds_a_leak(monkeypatch):
    """Were an exception told as Python tells it, the properties above would fail."""

    def careless(exc, secrets):
        del secrets
        text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
        return type("Told", (), {"type": "", "message": text, "stacktrace": text})

    monkeypatch.setitem(globals(), "redact_exception", careless)
    with pytest.raises(AssertionError):
        assert_nothing_leaks(PREFIX + "QX" * 21 + "-")


@quick
@given(DAMAGED)
def test_a_damaged_key_is_never_taken_for_a_good_one(case):
    """Nor does what is wrong with it change from one look to the next."""
    key = damage(*case)
    report = inspect_key(key, environ={})
    assert report == inspect_key(key, environ={})
    assert report.identity == identity_of(key)
    if not can_be_sent(key):
        assert report.problems
        assert not report.usable


@quick
@given(st.text(max_size=80))
def test_any_text_is_inspected(key):
    """What fits in no header has a problem; a report keeps to the closed sets."""
    report = inspect_key(key, environ={})
    assert report.format in FORMATS
    assert list(report.problems) == [problem for problem in PROBLEMS if problem in report.problems]
    assert (report.presence == "empty") is not bool(key.strip())
    if report.usable:
        assert can_be_sent(key)


@quick
@given(st.text(max_size=300), st.lists(st.text(max_size=60), max_size=2))
def test_redaction_is_idempotent(text, secrets):
    once = redact(text, secrets)
    assert redact(once) == redact(redact(once))


@quick
@given(DAMAGED, st.sampled_from(WRITINGS), st.sampled_from(WRITINGS))
def test_redaction_of_a_key_is_idempotent(case, inner, outer):
    key = damage(*case)
    once = redact(f"before {outer(inner(key))} after", [key])  # type: ignore[operator]
    assert redact(once, [key]) == once


@quick
@given(st.text("abcdefghijklmnopqrstuvwxyz ,.!\n", max_size=200))
def test_prose_is_left_alone(text):
    """What is no key, and no header, is told as it is."""
    if "bearer" not in text:
        assert redact(text, [PREFIX + "QX" * 21 + "-"]) == text


FRAGMENTS = st.one_of(
    st.sampled_from(
        (
            *(prefix + "aB3_" * 4 for prefix in PROVIDER_PREFIXES),
            *(prefix.upper() + "aB3_" * 4 for prefix in PROVIDER_PREFIXES),
            "Authorization: ",
            "AUTHORIZATION=",
            "author\u0131zation: ",
            "Bearer ",
            "bEARER%20",
            "api_key='",
            "API-\u212aEY=",
            "apiKey: ",
            "API_KEY=",
            "tgp_" + "v1_",
            "TGP_" + "V1_",
            "eyJ" + "a" * 9 + ".",
            "0aF" * 19,
            "9" * 56,
            "[key]",
            "'",
            "\\",
            " ",
            "\u017f",
        )
    ),
    st.text(max_size=12),
)


@settings(quick, max_examples=1000)
@given(st.lists(FRAGMENTS, max_size=8).map("".join))
def test_a_pattern_that_is_left_out_would_find_nothing(text):
    told = text
    for _, pattern, replacement in PATTERNS:
        told = re.sub(pattern, replacement, told)
    assert without_shapes(text) == told
