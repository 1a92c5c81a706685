"""Texts as SDKs and servers make them → the same without keys."""

import base64
import copy
import gc
import hashlib
import html
import json
import pickle
import types
from enum import Enum
from urllib.parse import quote, quote_plus

import pytest

from together_otel.keys import (
    Secret,
    escape_controls,
    known_keys,
    redact,
    redact_exception,
    redaction,
    tracebacks,
)
from together_otel.keys import known as known_module
from together_otel.keys.known import LONGEST_SECRET
from together_otel.keys.redaction import LONGEST, shortened

SECRET = "a1B2" * 10 + "xyz"
PREFIX = "tgp_" + "v1_"
KEY = PREFIX + SECRET
LEGACY = "0123456789abcdef" * 4
OPAQUE = "Qz-41~opaque.Token/77"
ODD = "Zé7\n\"q\\x'\t9/+ Ωmega\u200b$%&w-last"


def stretches(secret):
    return {secret[place : place + 8] for place in range(len(secret) - 7)}


def shown(text, secret):
    return {stretch for stretch in stretches(secret) if stretch in text}


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        # together 2.x, 3.x and 1.x on a key that fits in no header
        (
            f"Illegal header value b'Bearer {KEY}\\n'",
            [f"{KEY}\n"],
            f"Illegal header value b'Bearer {PREFIX}[key]\\n'",
        ),
        (
            ("Error communicating with API: Invalid leading whitespace, reserved character(s), or"
            f" return character(s) in header value: 'Bearer {KEY}\\n'"),
            [f"{KEY}\n"],
            ("Error communicating with API: Invalid leading whitespace, reserved character(s), or"
            f" return character(s) in header value: 'Bearer {PREFIX}[key]\\n'"),
        ),
        # a body that echoes
        (
            f"Error code: 401 - {{'error': {{'message': 'Invalid API key: {OPAQUE}'}}}}",
            [OPAQUE],
            "Error code: 401 - {'error': {'message': 'Invalid API key: [key]'}}",
        ),
        (f"Invalid API key: {OPAQUE[:9]}...", [OPAQUE], "Invalid API key: [key]..."),
        # nobody said that this key is involved
        (f"api_key={KEY}", [], f"api_key={PREFIX}[key]"),
        (f"key {KEY}, again {KEY}", [], f"key {PREFIX}[key], again {PREFIX}[key]"),
        (f"was {LEGACY}!", [], "was [key]!"),
        (LEGACY.upper()[:-3], [], "[key]"),
        ("sk-" + "Q7w" * 8, [], "[key]"),
        ("eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0" + ".c2ln", [], "[key]"),
        ("Authorization: Bearer opaque", [], "Authorization: Bearer [key]"),
        ("authorization%3A%20bearer%20opaque", [], "authorization%3A%20bearer%20[key]"),
        ("{'Authorization': 'Bearer opaque', 'a': 1}", [], "{'Authorization': 'Bearer [key]', 'a': 1}"),
        ("{'api_key': 'opaque words', 'n': 1}", [], "{'api_key': '[key]', 'n': 1}"),
        ('{"x-api-key": "opaque"}', [], '{"x-api-key": "[key]"}'),
        ("Together(api_key=b'opaque')", [], "Together(api_key=b'[key]')"),
        # what is no key stays
        ("", [], ""),
        ("", [KEY], ""),
        ("Invalid API key provided.", [KEY], "Invalid API key provided."),
        ("commit 0123456789abcdef0123456789abcdef01234567", [], "commit 0123456789abcdef0123456789abcdef01234567"),
        (LEGACY[:56], [], "[key]"),
        (LEGACY[:55], [], LEGACY[:55]),
        (f"{PREFIX} is what keys begin with", [KEY], f"{PREFIX} is what keys begin with"),
        ("set TOGETHER_API_KEY", ["your_together_api_key"], "set TOGETHER_API_KEY"),
        ("set TOGETHER_API_KEY", [f"TOGETHER_API_KEY={KEY}"], "set TOGETHER_API_KEY"),
        ("sk-learn and task-force-instrumentation", [], "sk-learn and task-force-instrumentation"),
    ],
)  # fmt: skip
def test_text(text, secrets, expected):
    assert redact(text, secrets) == expected
    assert redact(expected, secrets) == expected


WRITINGS = {
    "plain": str,
    "upper": str.upper,
    "lower": str.lower,
    "swapped": str.swapcase,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda key: repr(key.encode()),
    "json": json.dumps,
    "json as it is": lambda key: json.dumps(key, ensure_ascii=False),
    "percent": lambda key: quote(key, safe=""),
    "percent lower": lambda key: quote(key, safe="").lower(),
    "plus": quote_plus,
    "html": html.escape,
    "html by numbers": lambda key: (
        html.escape(key).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    ),
    "json with slashes": lambda key: json.dumps(key).replace("/", "\\/"),
    "percent of upper": lambda key: quote(key.upper(), safe=""),
    "percent of lower": lambda key: quote(key.lower(), safe=""),
    "beside a quote": lambda key: repr(f'"{key}'),
    "an attribute's name": lambda key: key.replace("-", "_"),
    "hex": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(b"u:" + key.encode()).decode(),
    "base64 in lines": lambda key: base64.encodebytes(b"Bearer " + key.encode()).decode(),
    "eight a line": lambda key: "\n".join(key[at : at + 8] for at in range(0, len(key), 8)),
    "base64 after one": lambda key: base64.b64encode(b":" + key.encode()).decode(),
    "base64 after two": lambda key: base64.b64encode(b"u:" + key.encode() + b"@").decode(),
    "dict": lambda key: repr({"headers": {"Authorization": key}}),
    "exception": lambda key: repr(ValueError(key)),
    "json that is printed": lambda key: repr(json.dumps(key)),
    "json in json": lambda key: json.dumps(json.dumps(key)),
    "json in json as it is": lambda key: json.dumps(
        json.dumps(key, ensure_ascii=False), ensure_ascii=False
    ),
}


@pytest.mark.parametrize("key", [KEY, LEGACY, OPAQUE, ODD, f"{KEY}\n", "12345678"])
@pytest.mark.parametrize("writing", WRITINGS)
def test_writing(key, writing):
    """However it is written, no eight of its characters in a row are left, nor of the writing."""
    written = WRITINGS[writing](key)
    told = redact(f"before {written} after", [key])
    secret = key.strip().removeprefix(PREFIX)
    assert shown(told, secret) == set()
    for encoded in (base64.b64encode(key.encode()).decode(), key.encode().hex()):
        assert shown(told, encoded) == set()
    assert "[key]" in told
    assert told.startswith("before ")
    assert told.endswith(" after")


@pytest.mark.parametrize(
    "key",
    [
        LEGACY,
        OPAQUE,
        ODD,
        "é/é/é/é/" + SECRET,
        "i/t's\\41~opaque.Token/77",
        '\U0001f600/\U0001f600/7"q/opaque\xad',
    ],
)
@pytest.mark.parametrize("writing", [*WRITINGS][: [*WRITINGS].index("base64")])
def test_nothing_of_a_writing_is_left(key, writing):
    """Not a letter, a digit or a sign of it; quotes may be the text's own."""
    assert redact(f"({WRITINGS[writing](key)})", [key]).strip("b()'\"") == "[key]"


@pytest.mark.parametrize("key", ['a1B2a"1B2a1"B2a1B"2a1B2', 'Q"z"4"1"o"p"a"q', 'é"z"4"é"o"p"é"q'])
@pytest.mark.parametrize(
    "writing", ["json that is printed", "json in json", "json in json as it is"]
)
def test_signs_are_escaped_twice(key, writing):
    """Between its signs no eight characters of a key stand in a row."""
    assert redact(WRITINGS[writing](key), [key]).strip("'\\\"") == "[key]"


@pytest.mark.parametrize("writing", ["plain", "base64", "hex", "percent"])
def test_a_key_that_was_read_as_latin_1_is_found_as_it_was_written(writing):
    """HTTP libraries write a header's letters as UTF-8, and others read them as Latin-1."""
    written = "kéy-Ω" + SECRET
    told = redact(WRITINGS[writing](written), [written.encode().decode("latin-1")])
    assert shown(told, SECRET) == set()
    assert shown(told, WRITINGS[writing](written)) == set()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("\u0130\u0130\u0130 was {}!", OPAQUE),  # in small letters it is two
        ("\u0391\u03a3 \u0130 was {}!", ODD),
        ("it was {}!", "Qz41\udce9opaque77"),
        (
            "it was {}\u0391!",
            "\u039a\u039b\u0395\u0399\u0394\u0399\u0391\u03a3",
        ),  # at a word's end a sigma is another
    ],
)
def test_a_key_is_hidden_in_its_place_whatever_its_letters_become(text, key):
    assert redact(text.format(key), [key]) == text.format("[key]")


def test_public_prefix_stays():
    assert redact(KEY, [KEY]) == f"{PREFIX}[key]"
    assert redact(KEY) == f"{PREFIX}[key]"


def test_a_stretch_of_eight_is_hidden_and_one_of_seven_is_not():
    assert redact(f"it is {OPAQUE[3:11]}!", [OPAQUE]) == "it is [key]!"
    assert redact(f"it is {OPAQUE[3:10]}!", [OPAQUE]) == f"it is {OPAQUE[3:10]}!"


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("", "nothing to hide", "nothing to hide"),
        ("   ", "a   b", "a   b"),
        ("key", "the key is wrong", "the key is wrong"),
        ("Q7w!", "wrong: Q7w!", "wrong: [key]"),
        ("Q7wz", "wrong: Q7wz, Q7wzz", "wrong: [key], Q7wzz"),
        ("Q7wz", "(xQ7wz Q7wzz) Q7wz_", "(xQ7wz Q7wzz) Q7wz_"),
        (" Q7wzab\n", "wrong: 'Q7wzab'", "wrong: '[key]'"),
        ("Q7wzabc", "all is well", "all is well"),
        (PREFIX + "Q7w", "no such thing", "no such thing"),
    ],
)
def test_short_secret(secret, text, expected):
    """Under eight characters whole words go; under four they are everyday words."""
    assert redact(text, [secret]) == expected


MASKS = ["********", "...", "…", "••••", "*" * 40]


@pytest.mark.parametrize("key", [KEY, LEGACY, OPAQUE, "sk-" + "Q7w" * 12, "Qz41opaqueToken7"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("first", "last"), [(8, 4), (3, 4), (12, 4), (8, 6), (0, 4)])
def test_masked(key, mask, first, last):
    """OpenAI shows the first eight and the last four characters of what it refuses."""
    told = redact(f"Incorrect key: {key[:first]}{mask}{key[-last:]}. See {mask}.", [OPAQUE, key])
    assert told == f"Incorrect key: [key]. See {mask}."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"...{OPAQUE[-4:]}", "[key]"),
        (f"{OPAQUE[:8]}...{OPAQUE[-4:]}", "[key]"),
        (f"{OPAQUE[:3]}***{OPAQUE[-4:]} or {OPAQUE[:3]}***{OPAQUE[-4:]}", "[key] or [key]"),
        (f"***{OPAQUE[-4:]}and so on", "[key]and so on"),
    ],
)
def test_masked_wherever_it_stands(text, expected):
    assert redact(text, [OPAQUE]) == expected


@pytest.mark.parametrize("mask", ["***", "...", "\u2026"])
@pytest.mark.parametrize("ends", [("", ".7wz"), ("", "***w"), (".", "Q7wz"), ("*", "..wz")])
def test_masked_beside_signs_of_its_own(mask, ends):
    """Where a key's own dot or star is beside the mask, it is taken for a part of it."""
    head, tail = f"Qz41opa{ends[0]}", ends[1]
    for text in ("key={}&x", "{}", "it is {}."):
        told = redact(text.format(head + mask + tail), [head + SECRET + tail])
        assert told == text.format("[key]")


@pytest.mark.parametrize(
    "text",
    [
        "a **word** of ********* and ... more…",
        f"***{OPAQUE[-4:-1]}",
        f"***x{OPAQUE[-4:]}x",
        f"***x{OPAQUE[-4:]}x.",
        "8***",
        "",
    ],
)
def test_not_masked(text):
    assert redact(text, [OPAQUE]) == text


@pytest.mark.parametrize(("text", "end"), [("X*Yz", "X*Yz"), ("********w", "****")])
def test_signs_that_a_key_ends_in_are_no_mask_of_it(text, end):
    assert redact(text, [SECRET + end]) == text


def test_a_short_key_has_no_masked_form():
    """Four characters of fifteen are everyday words."""
    text = "it is ***word, or ***secret"
    assert redact(text, ["passwords", "pass-word", "Qz41-other-word"]) == text


def test_several_secrets():
    assert redact(f"{OPAQUE} or {LEGACY}", [OPAQUE, "", LEGACY]) == "[key] or [key]"


def test_a_secret_that_is_a_whole_file():
    """No key is that long: nothing is shown, at once, rather than searched for."""
    secret = "".join(chr(33 + (place * 7919 + place // 94) % 94) for place in range(1_000_000))
    told = redact(f"it was {secret[500:600]}", [secret])
    assert told == "(withheld: its key is too long to be looked for)"
    assert redact(f"it was {secret[500:600]}", [secret, KEY]) == told
    assert redact("", [secret]) == ""
    longest = secret[:LONGEST_SECRET]
    assert redact(f"it was {longest[500:600]}!", [longest]) == "it was [key]!"


def test_long_text_is_cut_and_says_so():
    told = redact("word " * LONGEST, [KEY])
    assert len(told) == LONGEST
    assert told.endswith("… [cut off]")
    assert redact(told, [KEY]) == told
    exact = "words..." * (LONGEST // 8)
    assert redact(exact) == shortened(exact) == exact


@pytest.mark.parametrize("key", [KEY, LEGACY])
def test_a_key_across_the_cut_is_hidden(key):
    """Half a key no longer looks like one, so it is looked for before the text is cut."""
    for before in range(LONGEST - 80, LONGEST, 9):
        told = redact("." * before + " " + key + " " + "." * 600)
        assert shown(told, key.removeprefix(PREFIX)) == set()


@pytest.mark.parametrize("longest", [1_024, 8_192])
def test_a_foreign_key_cut_by_the_window_is_not_told(longest):
    """Keys before it are taken out, which moves its first part into view."""
    digits = hashlib.sha256(b"k").hexdigest()
    for shown in range(1, 64, 7):
        text = ((KEY + " ") * 400)[: longest + 512 - shown] + " " + digits + " more" * 200
        told = redact(text, (), longest)
        assert not [place for place in range(56) if digits[place : place + 8] in told]


def test_a_text_that_fits_once_its_keys_are_taken_out_is_whole():
    assert redact(f"{KEY} or {KEY}", [KEY], 40) == f"{PREFIX}[key] or {PREFIX}[key]"
    assert redact("word " * 9, [], 40) == "word word word word word word… [cut off]"
    assert redact("word", [], 2) == redact("word " * 200, [], 2) == "… [cut off]"


# ── UTF-8, lines ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("half \ud83d of it", "half \ufffd of it"),
        ("\udfff\ud800", "\ufffd\ufffd"),
        ("a\0b", "a\ufffdb"),
        ("whole \U0001f600 é", "whole \U0001f600 é"),
        (f"\ud83d{OPAQUE}\ud83d", "\ufffd[key]\ufffd"),
    ],
)
def test_every_text_can_be_written(text, expected):
    told = redact(text, [OPAQUE])
    assert told == expected
    told.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("as it is: é, \U0001f600 \\n", "as it is: é, \U0001f600 \\n"),
        ("oops\n2026-01-01 CRITICAL forged", "oops\\n2026-01-01 CRITICAL forged"),
        ("é \U0001f600\n", "é \U0001f600\\n"),
        ("\r\t\x1b[2J\x7f\x85", "\\r\\t\\x1b[2J\\x7f\\x85"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\u202eright to left, \u200bunseen, \xa0wide", "\\u202eright to left, \\u200bunseen, \\xa0wide"),
        ("\ud83d\U000e0001", "\\ud83d\\U000e0001"),
    ],
)  # fmt: skip
def test_one_line(text, expected):
    """What makes lines of its own, or orders a terminal about, is escaped."""
    assert escape_controls(text) == expected
    assert escape_controls(expected) == expected
    assert expected.isprintable()


# ── what is kept ─────────────────────────────────────────────────────────────────────


def test_a_text_is_redacted_once(monkeypatch):
    """A refusal that comes again costs a look: by its text, and by the keys involved."""
    looked = []

    def without_shapes(text):
        looked.append(text)
        return text

    monkeypatch.setattr(redaction, "without_shapes", without_shapes)
    text = f"refused: {OPAQUE} " + "and so on " * 20
    for secrets in ([OPAQUE], (OPAQUE,), [Secret(OPAQUE)], known_keys([OPAQUE])):
        assert redact(text, secrets) == "refused: [key] " + "and so on " * 20
    assert len(looked) == 1
    assert redact(text, [LEGACY]) == text
    assert redact(text, [OPAQUE], 30) == "refused: [key] and … [cut off]"
    assert len(looked) == 3


@pytest.mark.parametrize(
    ("one", "other"), [(["Q7wz"], ["W7qz"]), (["Q7wz", LEGACY], ["W7qz", LEGACY])]
)
def test_what_is_remembered_of_some_keys_is_not_of_others(one, other):
    text = f"refused: {one[0]} and {other[0]} " + "and so on " * 20
    assert redact(text, one) == text.replace(one[0], "[key]")
    assert redact(text, other) == text.replace(other[0], "[key]")


def test_what_is_kept_is_bounded():
    for number in range(2 * redaction._redacted.most):
        redact(f"{number} " * 100)
        known_keys([f"Q7w{number}"])
        assert len(redaction._redacted) <= redaction._redacted.most
        assert len(known_module._known) <= known_module._known.most


def test_the_same_keys_are_looked_for_in_the_same_way():
    assert known_keys([OPAQUE, LEGACY]) is known_keys((OPAQUE, Secret(LEGACY)))


def texts_in(*roots):
    """Yield every text that can be reached from some objects."""
    found, waiting = set(), list(roots)
    while waiting:
        one = waiting.pop()
        if type(one) is str:
            yield one
        elif id(one) not in found and not isinstance(one, (type, types.CodeType)):
            found.add(id(one))
            waiting += gc.get_referents(one)


def test_no_key_is_kept(monkeypatch):
    """Neither a key nor a text that shows one is left in memory once it has been looked for."""
    for module, memory in (
        (redaction, "_redacted"),
        (known_module, "_known"),
        (tracebacks, "_frames"),
    ):
        monkeypatch.setattr(module, memory, {})
    known = known_keys((KEY, OPAQUE))
    long = f"{OPAQUE} or {KEY}" + " and so on" * 20
    with pytest.raises(ValueError, match="and so on") as caught:
        raise ValueError(long)
    assert "[key] or tgp_v1_[key]" in redact_exception(caught.value, known).stacktrace
    texts = list(texts_in(known, redaction._redacted, known_module._known, tracebacks._frames))
    assert any("[key] or tgp_v1_[key]" in one for one in texts)
    assert any("raise ValueError(long)" in one for one in texts)
    for one in texts:
        assert shown(one, SECRET) | shown(one, OPAQUE) == set()


def test_nothing_shows_a_secret():
    secret = Secret(f"{KEY}\n")
    assert secret.reveal() == f"{KEY}\n"
    assert secret == Secret(f"{KEY}\n")
    assert secret != Secret(KEY)
    assert secret != f"{KEY}\n"
    assert len({secret, Secret(f"{KEY}\n")}) == 1
    assert hash(secret) != hash(Secret(LEGACY))
    for shown_as in (repr(secret), str(secret), f"{secret}", repr(known_keys([secret]))):
        assert shown_as in ("Secret()", "KnownKeys()")
    for send in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"^a Secret stays in its process$"):
            send(secret)  # type: ignore[operator]  # of either


def test_a_member_of_an_enum_is_its_text():
    """And not its name, as which Python formats it."""

    class Model(str, Enum):
        LLAMA = "meta/llama"

    redacted = redact(Model.LLAMA)
    assert (redacted, type(redacted)) == ("meta/llama", str)
