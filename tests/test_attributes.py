"""The door of spans and log fields: what passes is redacted, bounded, and made once."""

import pytest

from together_otel import names
from together_otel.clients.base import Answer, Result, Usage
from together_otel.keys import inspect_key, known_keys
from together_otel.telemetry import attributes
from together_otel.telemetry.attributes import (
    add_answer,
    add_result,
    add_server,
    clean,
    of_answer,
    of_key,
)

OPAQUE = "Qz-41~opaque.Token/77"
KNOWN = known_keys([OPAQUE])
NOBODYS = known_keys(())
MODEL = names.REQUEST_MODEL


class Name(str):
    """A text of a class of its own."""

    __slots__ = ()


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Forget what other tests passed through the door."""
    attributes._cleaned.clear()
    attributes._answers.clear()


@pytest.fixture
def looked(monkeypatch):
    """The texts that were redacted."""
    texts = []
    redact = attributes.redact

    def noting(text, *more):
        texts.append(text)
        return redact(text, *more)

    monkeypatch.setattr(attributes, "redact", noting)
    return texts


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("a/model", "a/model"),
        (f"of {OPAQUE}", "of [key]"),
        (Name(f"of {OPAQUE}"), "of [key]"),
        ("half \ud83d", "half \ufffd"),
        (("stop", f"no {OPAQUE}", 1), ("stop", "no [key]", 1)),
        (["long", "stop"], ("long", "stop")),
        (5, 5),
        (None, None),
    ],
)
@pytest.mark.parametrize("name", [MODEL, names.RESPONSE_ID])
def test_what_passes(name, value, told):
    """The first time and every other; what others keep under the same name is their own."""
    for _ in range(2):
        assert clean({names.OPERATION: OPAQUE, name: value, "n": 1}, KNOWN) == {
            names.OPERATION: OPAQUE,  # a text that this package has made
            name: told,
            "n": 1,
        }
    assert clean({name: f"of {OPAQUE}"}, NOBODYS) == {name: f"of {OPAQUE}"}


@pytest.mark.parametrize("name", [MODEL, names.RESPONSE_ID])
def test_what_passes_is_bounded(name):
    told = clean({name: "x " * 1000, "of a class": Name("y " * 1000), "in": ["z " * 1000]}, KNOWN)
    assert len(told[name]) == len(told["of a class"]) == len(told["in"][0]) == 1024


def test_each_text_is_told_by_itself():
    """Though it is as long as another that came before."""
    assert clean({"a": "one", "b": "two", "c": ["six", "ten"]}, KNOWN) == {
        "a": "one",
        "b": "two",
        "c": ("six", "ten"),
    }


def test_two_ids_of_which_one_shows_a_key():
    ids = {names.RESPONSE_ID: "chat-1", names.REQUEST_ID: f"req {OPAQUE}"}
    assert clean(ids, KNOWN) == {names.RESPONSE_ID: "chat-1", names.REQUEST_ID: "req [key]"}


def test_a_key_that_nobody_named_is_hidden_where_it_begins_an_id():
    foreign = "sk-" + "Q7w" * 8
    ids = {names.RESPONSE_ID: "chat-1", names.REQUEST_ID: foreign}
    assert clean(ids, NOBODYS) == {names.RESPONSE_ID: "chat-1", names.REQUEST_ID: "[key]"}


def test_a_text_is_looked_at_once_and_an_id_each_time(looked):
    for _ in range(2):
        clean({MODEL: "a/model", "reasons": ("stop",), names.RESPONSE_ID: "chat-1"}, KNOWN)
    assert looked == ["a/model", "stop", "chat-1", "chat-1"]


ANSWER = Answer(200, "req-1", 2, ratelimits={"limit": 5.0})
RESULT = Result("a/model", "chat-1", usage=Usage(3, None, 1, None))
WHOLE = {
    names.REQUEST_OUTCOME: "success",
    names.STATUS_CODE: 200,
    names.REQUEST_ID: "req-1",
    names.RESEND_COUNT: 2,
    names.RESPONSE_MODEL: "a/model",
    names.RESPONSE_ID: "chat-1",
    names.FINISH_REASONS: ("stop",),
    names.INPUT_TOKENS: 3,
    names.CACHED_TOKENS: 1,
    f"{names.RATELIMIT}limit": 5.0,
}


def test_an_ordinary_answer(looked, monkeypatch):
    """What many have in common is made once; ids and numbers are each answer's own."""
    assert of_answer("success", ANSWER, RESULT, ("stop",), KNOWN) == WHOLE
    looked.clear()
    with monkeypatch.context() as made:
        made.setattr(attributes, "add_answer", None)
        assert of_answer("success", ANSWER, RESULT, ("stop",), KNOWN) == WHOLE
    other = Result("a/model", f"chat {OPAQUE}", usage=Usage(4))
    assert of_answer("success", Answer(200, resends=2), other, ("stop",), KNOWN) == {
        names.REQUEST_OUTCOME: "success",
        names.STATUS_CODE: 200,
        names.RESEND_COUNT: 2,
        names.RESPONSE_MODEL: "a/model",
        names.RESPONSE_ID: "chat [key]",
        names.FINISH_REASONS: ("stop",),
        names.INPUT_TOKENS: 4,
    }
    assert "a/model" not in looked
    assert of_answer("success", Answer(), Result(), (), KNOWN) == {names.REQUEST_OUTCOME: "success"}
    assert of_answer("success", ANSWER, RESULT, ("stop",), KNOWN) == WHOLE


def test_no_key_is_kept_with_an_answer():
    for _ in range(2):
        told = of_answer("success", ANSWER, Result(f"of {OPAQUE}"), (), KNOWN)
        assert told[names.RESPONSE_MODEL] == "of [key]"
    assert OPAQUE not in repr(attributes._answers)


def test_parts_of_an_answer():
    found = {names.REQUEST_OUTCOME: "success"}
    add_answer(found, ANSWER)
    add_result(found, RESULT, ("stop",), ANSWER, 0.5)
    assert found == {**WHOLE, names.RESPONSE_FIRST_CHUNK: 0.5}
    found = {}
    add_answer(found, Answer())
    add_result(found, Result(), (), Answer(), None)
    add_server(found, "a.test", None)
    assert found == {names.SERVER_ADDRESS: "a.test"}
    add_server(found, "a.test", 443)
    assert found == {names.SERVER_ADDRESS: "a.test", names.SERVER_PORT: 443}


def test_what_is_remembered_is_bounded():
    for number in range(2 * attributes._cleaned.most):
        clean({MODEL: f"model-{number}"}, NOBODYS)
        of_answer("success", Answer(), Result(), (str(number),), NOBODYS)
        assert len(attributes._cleaned) <= attributes._cleaned.most
        assert len(attributes._answers) <= attributes._cleaned.most


def test_a_key():
    """What is not known is absent."""
    assert of_key(inspect_key("opaque\n", environ={})) == {
        names.KEY_PRESENCE: "present",
        names.KEY_SOURCE: "argument",
        names.KEY_FORMAT: "unrecognized",
        names.KEY_PROBLEMS: ("newline",),
        names.KEY_LENGTH: 7,
    }
    assert of_key(inspect_key("opaque", environ={"A_KEY": "opaque"})) == {
        names.KEY_PRESENCE: "present",
        names.KEY_SOURCE: "argument",
        names.KEY_FORMAT: "unrecognized",
        names.KEY_LENGTH: 6,
        names.KEY_VARIABLE_NAME: "A_KEY",
    }
