"""A traceback is the one that Python prints, without keys, the first time and every time after."""

import builtins
import linecache
import sys
import traceback

import pytest

from together_otel.keys import known_keys, redact_exception, tracebacks
from together_otel.keys.tracebacks import redacted_traceback


def plain():
    raise ValueError("two\nlines")


def in_a_context():
    try:
        plain()
    finally:
        raise KeyError("k")


def out_of_its_context():
    try:
        plain()
    except ValueError:
        raise KeyError("k") from None


def caused():
    try:
        plain()
    except ValueError as error:
        raise KeyError("k") from error


def recursive(depth=9):
    if depth:
        recursive(depth - 1)
    plain()


def of_syntax():
    compile("1 +", "made up.py", "exec")


def noted():
    error = ValueError("with a note")
    if hasattr(error, "add_note"):
        error.add_note("the note")
    raise error


def grouped():
    # By name: Python 3.10 has none.
    group = getattr(builtins, "ExceptionGroup", None)
    if group is not None:
        raise group("several", [ValueError("one"), KeyError("two")])
    plain()


def caught(work):
    try:
        work()
    except Exception as error:  # noqa: BLE001 - any is handed back
        return error
    raise AssertionError(work)


def format_traceback(error):
    return redacted_traceback(error, known_keys(()), str(error))


def as_python_does(error):
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def in_a_circle():
    error = ValueError("its own cause's cause")
    error.__cause__ = KeyError("k")
    error.__cause__.__cause__ = error
    raise error


def in_two_contexts():
    try:
        caused()
    except KeyError:
        raise OSError(13, "denied")  # noqa: B904 - the context is meant


def without_a_text():
    raise RuntimeError


def of_an_sdk():
    raise type("ApiError", (Exception,), {"__module__": "sdk._exceptions"})("refused")


def of_main():
    raise type("MineError", (Exception,), {"__module__": "__main__"})("refused")


def in_a_circle_of_contexts():
    error = ValueError("its own context's context")
    error.__context__ = KeyError("k")
    error.__context__.__context__ = error
    raise error


def misspelt():
    plains()  # type: ignore[name-defined]  # noqa: F821 - what is tested


def caused_by_a_misspelling():
    try:
        misspelt()
    except NameError as error:
        raise KeyError("k") from error


def again_and_again(times=2):
    """Fail at one place as often as Python prints it."""
    again_and_again(times - 1) if times else plain()


def on_two_lines(times=5):
    """Fail at two places in turn."""
    if times % 2:
        return on_two_lines(times - 1)
    return on_two_lines(times - 1) if times else plain()


WAYS = (
    plain,
    in_a_circle,
    in_two_contexts,
    without_a_text,
    of_an_sdk,
    of_main,
    in_a_circle_of_contexts,
    misspelt,
    caused_by_a_misspelling,
    again_and_again,
    on_two_lines,
    in_a_context,
    out_of_its_context,
    caused,
    recursive,
    of_syntax,
    noted,
    grouped,
    lambda: exec("1 / 0", {}),  # noqa: S102 - a frame without a source
)


@pytest.mark.parametrize("work", WAYS)
def test_as_python_does(work):
    for _ in range(2):
        error = caught(work)
        assert format_traceback(error) == as_python_does(error)


def test_never_raised():
    assert format_traceback(ValueError("plain")) == "ValueError: plain\n"


def test_a_limit_that_the_process_has_set(monkeypatch):
    error = caught(caused)
    monkeypatch.setattr(sys, "tracebacklimit", 1, raising=False)
    assert format_traceback(error) == as_python_does(error)
    plain_one = caught(plain)
    assert format_traceback(plain_one) == as_python_does(plain_one)


def test_the_same_place_of_other_code():
    """Code that is gone leaves its identity to other code: each is told by its own name."""
    for number in range(2 * tracebacks._frames.most):
        error = caught(lambda number=number: exec(f"def f_{number}(): 1/0\nf_{number}()", {}))  # type: ignore[misc]  # noqa: S102 - code that is gone at once
        assert f"in f_{number}\n" in format_traceback(error)
        assert len(tracebacks._frames) <= tracebacks._frames.most


@pytest.mark.parametrize("work", [caused, again_and_again, on_two_lines])
def test_a_frame_is_made_once(monkeypatch, work):
    """The same failure with the same key costs no formatting, a cause's frames included."""
    first = redact_exception(caught(work), ["Qz-41~opaque.Token/77"])

    def formatted(*_, **__):
        raise AssertionError

    monkeypatch.setattr(traceback, "format_tb", formatted)
    monkeypatch.setattr(traceback, "format_exception", formatted)
    assert redact_exception(caught(work), ["Qz-41~opaque.Token/77"]) == first


def test_a_frame_of_one_key_is_not_that_of_another():
    """A line of source may hold a key; it is hidden from whoever's failure shows the line."""
    opaque = "Qz-41~opaque.Token/78"
    error = caught(lambda: exec(compile(f"'{opaque}' + 1", "made up.py", "exec")))  # noqa: S102 - a line of source
    linecache.cache["made up.py"] = (9, None, [f"'{opaque}' + 1\n"], "made up.py")
    try:
        assert opaque in redact_exception(error, ["another.token/0123456"]).stacktrace
        assert opaque not in redact_exception(error, [opaque]).stacktrace
    finally:
        del linecache.cache["made up.py"]
