"""A client, by the variables that it reads."""

import pytest

from together_otel.keys import TOGETHER, Reader, diagnose, inspect_key
from together_otel.keys.diagnosis import Refusal

ONE, OTHER = "TOGETHER_API_KEY", "OPENAI_API_KEY"
KEY = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"
FOREIGN = "sk" + "-proj-" + "Q7w" * 10


@pytest.mark.parametrize(
    ("skips", "environ", "found"),
    [
        (False, {}, (None, None)),
        (False, {OTHER: "b"}, (OTHER, "b")),
        (False, {ONE: "a", OTHER: "b"}, (ONE, "a")),
        (False, {ONE: "", OTHER: "b"}, (ONE, "")),
        (True, {ONE: "", OTHER: "b"}, (OTHER, "b")),
        (True, {ONE: "a", OTHER: "b"}, (ONE, "a")),
        (True, {ONE: "", OTHER: ""}, (ONE, "")),
    ],
)
def test_which_variable_a_key_is_from(skips, environ, found):
    """The first that is set, or the first that is not empty, as the client has it."""
    assert Reader("x", "X", (ONE, OTHER), skips_empty=skips).find(environ) == found


def test_where_a_key_comes_from(monkeypatch):
    """What a client has and the environment has too is from there; a stand-in is no key."""
    reader = Reader("x", "X", (OTHER,), stand_in="none-set")
    assert reader.origin(None) == (None, "none")
    assert reader.origin("none-set") == (None, "none")
    assert reader.origin(KEY) == (KEY, "argument")
    assert Reader("x", "X", given="header").origin(KEY) == (KEY, "header")
    monkeypatch.setenv(OTHER, KEY)
    assert reader.origin(KEY) == (KEY, "environment")
    assert reader.origin("none-set") == ("none-set", "argument")
    assert TOGETHER.origin(KEY) == (KEY, "argument")


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (None, "goes to Together because TOGETHER_API_KEY is unset: set"),
        ("  ", "goes to Together because TOGETHER_API_KEY is empty: set"),
        (KEY, "while TOGETHER_API_KEY holds a key of Together's shape: pass that as api_key."),
        ("changeme", "OPENAI_API_KEY is a key of OpenAI: pass a Together key from"),
    ],
)
def test_key_of_another_provider_in_place_of_togethers(own, says):
    """The remedy says what Together's own variable holds, where that explains it."""
    environ = {OTHER: FOREIGN} | ({} if own is None else {ONE: own})
    report = inspect_key(environ=environ, reader=Reader("openai", "OpenAI", (OTHER,)))
    assert says in diagnose(report, Refusal("refused")).remedy
