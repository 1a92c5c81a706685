"""Texts and exceptions as the SDKs make them → the same without keys."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import types
from urllib.parse import quote

import pytest

from together_otel.keys import public_name, redact, redact_exception
from together_otel.keys.redaction import LONGEST

SECRET = "a1B2" * 10 + "xyz"
PREFIX = "tgp_" + "v1_"
KEY = PREFIX + SECRET
LEGACY = "0123456789abcdef" * 4
OPAQUE = "Qz-41~opaque.Token/77"
ODD = "Zé7\n\"q\\x'\t9/+ Ωmega\u200b$%&w-last"


def stretches(secret: str) -> set[str]:
    return {secret[place : place + 8] for place in range(len(secret) - 7)}


def shown(text: str, secret: str) -> set[str]:
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
        (f"{PREFIX} is what keys begin with", [KEY], f"{PREFIX} is what keys begin with"),
        ("set TOGETHER_API_KEY", ["your_together_api_key"], "set TOGETHER_API_KEY"),
        ("set TOGETHER_API_KEY", [f"TOGETHER_API_KEY={KEY}"], "set TOGETHER_API_KEY"),
        ("sk-learn and task-force-instrumentation", [], "sk-learn and task-force-instrumentation"),
    ],
)  # fmt: skip
def test_text(text: str, secrets: list[str], expected: str) -> None:
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
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 after one": lambda key: base64.b64encode(b":" + key.encode()).decode(),
    "base64 after two": lambda key: base64.b64encode(b"u:" + key.encode() + b"@").decode(),
    "dict": lambda key: repr({"headers": {"Authorization": key}}),
    "exception": lambda key: repr(ValueError(key)),
}


@pytest.mark.parametrize("key", [KEY, LEGACY, OPAQUE, ODD, f"{KEY}\n", "12345678"])
@pytest.mark.parametrize("writing", WRITINGS)
def test_writing(key: str, writing: str) -> None:
    """However it is written, no eight of its characters in a row are left, nor of the writing."""
    written = WRITINGS[writing](key)
    told = redact(f"before {written} after", [key])
    secret = key.strip().removeprefix(PREFIX)
    assert shown(told, secret) == set()
    if writing.startswith("base64"):
        assert shown(told, base64.b64encode(key.encode()).decode()) == set()
    assert "[key]" in told
    assert told.startswith("before ")
    assert told.endswith(" after")


def test_public_prefix_stays() -> None:
    assert redact(KEY, [KEY]) == f"{PREFIX}[key]"
    assert redact(KEY) == f"{PREFIX}[key]"


def test_a_stretch_of_eight_is_hidden_and_one_of_seven_is_not() -> None:
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
        (" Q7wzab\n", "wrong: 'Q7wzab'", "wrong: '[key]'"),
        ("Q7wzabc", "all is well", "all is well"),
        (PREFIX + "Q7w", "no such thing", "no such thing"),
    ],
)
def test_short_secret(secret: str, text: str, expected: str) -> None:
    """Under eight characters whole words go; under four they are everyday words."""
    assert redact(text, [secret]) == expected


def test_several_secrets() -> None:
    assert redact(f"{OPAQUE} or {LEGACY}", [OPAQUE, "", LEGACY]) == "[key] or [key]"


def test_long_text_is_cut_and_says_so() -> None:
    told = redact("word " * LONGEST, [KEY])
    assert len(told) == LONGEST
    assert told.endswith("… [cut off]")
    assert redact(told, [KEY]) == told
    exact = "words..." * (LONGEST // 8)
    assert redact(exact) == exact


@pytest.mark.parametrize("key", [KEY, LEGACY])
def test_a_key_across_the_cut_is_hidden(key: str) -> None:
    """Half a key no longer looks like one, so it is looked for before the text is cut."""
    for before in range(LONGEST - 80, LONGEST, 9):
        told = redact("." * before + " " + key + " " + "." * 600)
        assert shown(told, key.removeprefix(PREFIX)) == set()


# ── exceptions ───────────────────────────────────────────────────────────────────────


def raised(exc: BaseException) -> BaseException:
    try:
        raise exc  # noqa: TRY301 - raised to be caught, with a traceback
    except BaseException as caught:  # noqa: BLE001 - any is handed back
        return caught


def test_exception() -> None:
    exc = raised(ValueError(f"Invalid header value b'Bearer {KEY}'"))
    told = redact_exception(exc, [KEY])
    assert told.type == "ValueError"
    assert told.message == f"Invalid header value b'Bearer {PREFIX}[key]'"
    assert told.stacktrace.startswith("Traceback (most recent call last):\n")
    assert told.stacktrace.endswith(f"ValueError: {told.message}\n")
    assert shown(told.stacktrace, SECRET) == set()
    assert KEY in str(exc)


def test_causes_context_and_notes() -> None:
    """A chain tells the key in each of its links; none of them does afterwards."""
    try:
        try:
            try:
                raise KeyError(OPAQUE)  # noqa: TRY301 - the chain is what is tested
            except KeyError:
                raise ValueError(f"in the context {OPAQUE}")  # noqa: B904 - the context is meant
        except ValueError as error:
            raise ConnectionError("Connection error.") from error
    except ConnectionError as error:
        exc = error
    if hasattr(exc, "add_note"):
        exc.add_note(f"a note of {OPAQUE}")
    told = redact_exception(exc, [OPAQUE])
    assert told.message == "Connection error."
    assert shown(told.stacktrace, OPAQUE) == set()
    assert "in the context [key]" in told.stacktrace
    assert "KeyError: '[key]'" in told.stacktrace
    assert ("a note of [key]" in told.stacktrace) is hasattr(exc, "add_note")


def test_unicode_error() -> None:
    """It holds the header with the key and shows it only when asked for its object."""
    key = KEY[:-1] + "é"
    with pytest.raises(UnicodeEncodeError) as caught:
        f"Bearer {key}".encode("ascii")
    told = redact_exception(caught.value, [key])
    assert told.type == "UnicodeEncodeError"
    assert told.message.startswith("'ascii' codec can't encode character")
    assert shown(told.message + told.stacktrace, key.removeprefix(PREFIX)) == set()


class MuteError(Exception):
    def __str__(self) -> str:
        raise TypeError(OPAQUE)


class UnprintableError(SyntaxError):
    @property
    def filename(self) -> str:  # type: ignore[override]  # asked for by the traceback alone
        raise RuntimeError(OPAQUE)


def test_exception_whose_text_cannot_be_read() -> None:
    told = redact_exception(raised(MuteError(OPAQUE)), [OPAQUE])
    assert told.message == "(its text cannot be read)"
    assert "MuteError" in told.stacktrace
    assert shown(told.stacktrace, OPAQUE) == set()


def test_exception_whose_traceback_cannot_be_read() -> None:
    told = redact_exception(raised(UnprintableError("no text", ("a", 1, 1, OPAQUE))), [OPAQUE])
    assert told.stacktrace == "(its traceback cannot be read)"
    assert shown(told.message, OPAQUE) == set()


def test_exception_never_raised() -> None:
    told = redact_exception(ValueError("plain"))
    assert (told.message, told.stacktrace) == ("plain", "ValueError: plain\n")


# ── public names ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Build a package that re-exports what its private module defines."""
    outer, private = types.ModuleType("sdk_like"), types.ModuleType("sdk_like._exceptions")
    monkeypatch.setitem(sys.modules, "sdk_like", outer)
    monkeypatch.setitem(sys.modules, "sdk_like._exceptions", private)
    return outer


def define(module: str, name: str = "AuthenticationError") -> type[Exception]:
    return type(name.rpartition(".")[2], (Exception,), {"__module__": module, "__qualname__": name})


def test_public_name_of_a_reexport(package: types.ModuleType) -> None:
    package.AuthenticationError = error = define("sdk_like._exceptions")  # type: ignore[attr-defined]
    assert public_name(error) == "sdk_like.AuthenticationError"


def test_public_name_of_another_class_of_that_name(package: types.ModuleType) -> None:
    package.AuthenticationError = define("sdk_like._exceptions")  # type: ignore[attr-defined]
    assert public_name(define("sdk_like._exceptions")) == "sdk_like._exceptions.AuthenticationError"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("builtins", "ValueError", "ValueError"),
        ("sdk_like.error", "AuthenticationError", "sdk_like.error.AuthenticationError"),
        ("sdk_like._exceptions", "Outer.Inner", "sdk_like._exceptions.Outer.Inner"),
        ("nowhere._deep.module", "Lost", "nowhere._deep.module.Lost"),
        ("__main__", "Mine", "__main__.Mine"),
    ],
)
def test_public_name(module: str, name: str, expected: str) -> None:
    assert public_name(define(module, name)) == expected


def test_public_name_of_a_public_module_stays(package: types.ModuleType) -> None:
    package.AuthenticationError = error = define("sdk_like.error")  # type: ignore[attr-defined]
    assert public_name(error) == "sdk_like.error.AuthenticationError"


def test_a_foreign_key_cut_by_the_window_is_not_told() -> None:
    """Keys before it are taken out, which moves its first part into view."""
    digits = hashlib.sha256(b"k").hexdigest()
    for shown in range(1, 64, 7):
        text = ((KEY + " ") * 400)[: 8_192 + 512 - shown] + " " + digits + " more" * 200
        told = redact(text, (), 8_192)
        assert not [place for place in range(56) if digits[place : place + 8] in told]
