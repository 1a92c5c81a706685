"""Exceptions as the SDKs raise them → the same without keys."""

import sys
import types

import pytest
from frames import outwards

from together_otel.keys import public_name, redact_exception

SECRET = "a1B2" * 10 + "xyz"
PREFIX = "tgp_" + "v1_"
KEY = PREFIX + SECRET
OPAQUE = "Qz-41~opaque.Token/77"


def shown(text, secret):
    return {secret[place : place + 8] for place in range(len(secret) - 7)} & {
        text[place : place + 8] for place in range(len(text) - 7)
    }


def raised(exc):
    try:
        raise exc  # noqa: TRY301 - raised to be caught, with a traceback
    except BaseException as caught:  # noqa: BLE001 - any is handed back
        return caught


def test_exception():
    exc = raised(ValueError(f"Invalid header value b'Bearer {KEY}'"))
    told = redact_exception(exc, [KEY])
    assert told.type == "ValueError"
    assert told.message == f"Invalid header value b'Bearer {PREFIX}[key]'"
    assert told.stacktrace.startswith("Traceback (most recent call last):\n")
    assert told.stacktrace.endswith(f"ValueError: {told.message}\n")
    assert shown(told.stacktrace, SECRET) == set()
    assert KEY in str(exc)


@pytest.mark.parametrize("noted", [False, True])
def test_causes_context_and_notes(noted):
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
    noted = noted and hasattr(exc, "add_note")
    if noted:
        exc.add_note(f"a note of {OPAQUE}")
    told = redact_exception(exc, [OPAQUE])
    assert told.message == "Connection error."
    assert shown(told.stacktrace, OPAQUE) == set()
    assert "in the context [key]" in told.stacktrace
    assert "KeyError: '[key]'" in told.stacktrace
    assert ("a note of [key]" in told.stacktrace) is noted


def test_unicode_error():
    """It holds the header with the key and shows it only when asked for its object."""
    key = KEY[:-1] + "é"
    with pytest.raises(UnicodeEncodeError) as caught:
        f"Bearer {key}".encode("ascii")
    told = redact_exception(caught.value, [key])
    assert told.type == "UnicodeEncodeError"
    assert told.message.startswith("'ascii' codec can't encode character")
    assert shown(told.message + told.stacktrace, key.removeprefix(PREFIX)) == set()


class MuteError(Exception):
    def __str__(self):
        raise TypeError(OPAQUE)


class UnprintableError(SyntaxError):
    @property
    def filename(self):  # type: ignore[override]  # asked for by the traceback alone
        raise RuntimeError(OPAQUE)


def test_exception_whose_text_cannot_be_read():
    told = redact_exception(raised(MuteError(OPAQUE)), [OPAQUE])
    assert told.message == "(its text cannot be read)"
    assert "MuteError" in told.stacktrace
    assert shown(told.stacktrace, OPAQUE) == set()


def test_exception_is_asked_for_its_text_once():
    asked = []

    class AskedError(Exception):
        def __str__(self):
            asked.append(self)
            return "asked"

    assert redact_exception(raised(AskedError())).stacktrace.endswith("AskedError: asked\n")
    assert len(asked) == 1


def test_exception_whose_traceback_cannot_be_read():
    told = redact_exception(raised(UnprintableError("no text", ("a", 1, 1, OPAQUE))), [OPAQUE])
    assert told.stacktrace == "(its traceback cannot be read)"
    assert shown(told.message, OPAQUE) == set()


def test_exception_never_raised():
    told = redact_exception(ValueError("plain"))
    assert (told.message, told.stacktrace) == ("plain", "ValueError: plain\n")


# ── public names ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def package(monkeypatch):
    """Build a package that re-exports what its private module defines."""
    outer, private = types.ModuleType("sdk_like"), types.ModuleType("sdk_like._exceptions")
    monkeypatch.setitem(sys.modules, "sdk_like", outer)
    monkeypatch.setitem(sys.modules, "sdk_like._exceptions", private)
    return outer


def define(module, name="AuthenticationError"):
    return type(name.rpartition(".")[2], (Exception,), {"__module__": module, "__qualname__": name})


def test_public_name_of_a_reexport(package):
    package.AuthenticationError = error = define("sdk_like._exceptions")  # type: ignore[attr-defined]
    assert public_name(error) == "sdk_like.AuthenticationError"


def test_public_name_of_a_reexport_further_down(package, monkeypatch):
    package.exceptions = below = types.ModuleType("sdk_like.exceptions")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sdk_like.exceptions", below)
    below.AuthenticationError = error = define("sdk_like.exceptions._auth")  # type: ignore[attr-defined]
    assert public_name(error) == "sdk_like.exceptions.AuthenticationError"


def test_public_name_of_another_class_of_that_name(package):
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
def test_public_name(module, name, expected):
    assert public_name(define(module, name)) == expected


def test_public_name_of_a_public_module_stays(package):
    package.AuthenticationError = error = define("sdk_like.error")  # type: ignore[attr-defined]
    assert public_name(error) == "sdk_like.error.AuthenticationError"


def test_public_name_does_not_wake_a_lazy_module(monkeypatch):
    """A module's own ``__getattr__`` may import what the application never asked for."""
    lazy = types.ModuleType("sdk_lazy")

    def wake(name):
        raise AssertionError(name)

    lazy.__getattr__ = wake  # type: ignore[method-assign]  # as PEP 562 has it
    monkeypatch.setitem(sys.modules, "sdk_lazy", lazy)
    error = type("ApiError", (Exception,), {"__module__": "sdk_lazy._exceptions"})
    assert public_name(error) == "sdk_lazy._exceptions.ApiError"


def test_public_name_of_a_class_without_a_module():
    error = type("ApiError", (Exception,), {"__module__": None})
    assert public_name(error) == "None.ApiError"


# ── what others see of our frames ────────────────────────────────────────────────────


class WatchingError(Exception):
    """Looks round when it is asked for its text, as one would that logs."""

    def __str__(self):
        seen.append("".join(shown for _, shown in outwards()))
        return "looked round"


seen = []


@pytest.mark.parametrize("wrapped", [False, True])
def test_no_frame_holds_a_key_while_an_exception_is_asked(wrapped):
    exc = raised(WatchingError())
    if wrapped:
        cause, exc = exc, raised(ValueError("caused"))
        exc.__cause__ = cause
    seen.clear()
    told = redact_exception(exc, [OPAQUE, KEY])
    assert "looked round" in told.stacktrace
    assert seen
    for one in seen:
        assert "KnownKeys()" in one
        assert shown(one, OPAQUE) | shown(one, SECRET) == set()
