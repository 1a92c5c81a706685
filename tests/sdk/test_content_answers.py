"""From a model's answers to the conventions' JSON, in pieces or whole, and whatever they are."""

import copy
import json

import pytest
from capturing import INPUTS, OUTPUTS, TOOLS, calling, gathered, reply, text, user
from hypothesis import given, settings
from hypothesis import strategies as st

from together_otel.clients.messages import (
    LONGEST_GATHERED,
    MOST_MESSAGES,
    MOST_PARTS,
    OPERATIONS,
    Messages,
)
from together_otel.keys.redaction import _MARGIN
from together_otel.telemetry.content import LONGEST_TEXT

FRAME = "https://a.invalid/1.png"


def asked(*messages):
    """Return the input messages of a chat."""
    return gathered(Messages("chat", {"messages": list(messages)}))[INPUTS]


def said(*answers, **body):
    """Return the output messages after a whole answer or some chunks."""
    messages = Messages("chat", body)
    for answer in answers:
        messages.add(answer)
    return gathered(messages)[OUTPUTS]


def chunk(index=0, finish_reason=None, **delta):
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_call"),
        ("function_call", "tool_call"),
        ("", "error"),
        (None, "error"),
    ],
)
def test_finish_reasons(reason, expected):
    """The schemas' word for each; there must be one, if none came."""
    chunks = [chunk(content="Hello"), chunk(content=" you", finish_reason=reason)]
    assert said(*chunks, stream=True) == [reply(text("Hello you"), finish_reason=expected)]


def test_finish_reason_of_a_text_completion():
    """Its chunks, not their choices, have the reason; a choice may say that it has none."""
    choice = {"index": 0, "text": "Hello", "finish_reason": None}
    chunks = [{"choices": [choice]}, {"choices": [choice], "finish_reason": "length"}]
    assert said(*chunks, stream=True) == [reply(text("HelloHello"), finish_reason="length")]


def test_whole_answers_of_what_has_no_finish_reason():
    assert said({"text": "Hello"}) == [reply(text("Hello"))]


def test_parts_of_a_whole_answer():
    """Calls of a whole answer are told apart though all have the same index, as some servers do."""
    message = {
        "content": [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": FRAME}],
        "tool_calls": [calling("a", "{}"), calling("b", {})],
    }
    (found,) = said({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert [part.get("name", part["type"]) for part in found["parts"]] == ["text", "uri", "a", "b"]


def test_pieces_of_a_call_that_change_their_form():
    """No server should send these; they are no reason to fail."""
    pieces = ({}, {"a": 1}, "{", None, 3, "}")
    chunks = [chunk(tool_calls=[calling("f", piece, index=True)]) for piece in pieces]
    (found,) = said(*chunks)
    assert found["parts"][0]["arguments"] == {}


# ── bounds ───────────────────────────────────────────────────────────────────────────


def test_more_is_kept_of_a_text_than_is_told():
    """A key across the end of what is told can then be seen whole."""
    assert LONGEST_GATHERED >= LONGEST_TEXT + _MARGIN


def test_enormous_conversations():
    """The first message and the last ones; the first parts, tools and choices."""
    found = asked(*({"role": "user", "content": str(number)} for number in range(10_000)))
    assert len(found) == MOST_MESSAGES
    assert found[0] == user(text("0"))
    assert found[1] == user(text(str(10_000 - MOST_MESSAGES + 1)))
    assert found[-1] == user(text("9999"))
    (message,) = asked({"role": "user", "content": ["part"] * 1_000})
    assert len(message["parts"]) == MOST_PARTS
    assert len(said({"choices": [{"index": place} for place in range(1_000)]})) == MOST_PARTS
    assert len(gathered(Messages("chat", {"tools": [{"type": "x"}] * 1_000}))[TOOLS]) == MOST_PARTS


def kept(messages):
    """Return how many strings and characters of a stream are held."""
    texts = [
        one
        for choice in messages._choices.values()
        for one in (
            choice.text,
            choice.reasoning,
            *(call.written for call in choice.tool_calls.values()),
        )
    ]
    return sum(len(one.pieces) + len(one.whole()) for one in texts)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "word "},
        {"content": ""},
        {"reasoning": "word "},
        {"tool_calls": [calling("f", "word ")]},
        {"content": [{"type": "text", "text": "word "}]},
    ],
    ids=["text", "empty", "reasoning", "arguments", "parts"],
)
def test_endless_streams_are_held_no_further(delta):
    """What can be told is held, not what came: nothing grows once it is full."""
    messages = Messages("chat", {"stream": True})
    held = []
    for _ in range(3):
        for _ in range(20_000):
            messages.add(chunk(**delta))
        held.append((kept(messages), len(messages.outputs()[0]["parts"])))

    assert held[0] == held[1] == held[2]
    assert held[0][0] <= 2 * LONGEST_GATHERED
    assert held[0][1] <= MOST_PARTS


def test_streams_of_endless_choices_and_calls():
    messages = Messages("chat", {"stream": True})
    for place in range(1_000):
        messages.add(chunk(place, tool_calls=[calling("f", "{}", index=float(place))]))
        messages.add(chunk(0, tool_calls=[calling("f", "{}", index=float(place))]))

    outputs = gathered(messages)[OUTPUTS]
    assert len(outputs) == MOST_PARTS
    assert len(outputs[0]["parts"]) == MOST_PARTS


# ── whatever it is ───────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    """
    arguments audio b64_json choices content data delta description finish_reason format
    frame_images function function_call id image_url index input input_audio media message
    messages model name parameters prompt reasoning role source_video stream text tool_call_id
    tool_calls tools type url video
    """.split()  # noqa: SIM905 - forty strings in a list read worse than a text
)
KINDS = st.sampled_from(["text", "image_url", "input_audio", "function", "tool", "data:,", "{}"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | KINDS
    | st.binary(max_size=4)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=30,
)
BODIES = st.dictionaries(WORDS, VALUES, max_size=6)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.sampled_from(sorted(OPERATIONS)), BODIES, st.lists(BODIES, max_size=3))
def test_any_request_and_answer(operation, body, answers):
    """Neither fails, whatever stands where; both are told as the conventions want, and kept."""
    before = copy.deepcopy((body, answers))
    messages = Messages(operation, body)
    for answer in answers:
        messages.add(answer)
    gathered(messages)
    assert repr((body, answers)) == repr(before)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(VALUES, st.lists(VALUES, max_size=4))
def test_any_message(message, choices):
    """The same, deeper inside."""
    messages = Messages("chat", {"messages": [message], "tools": [message]})
    messages.add({"choices": choices, "data": choices})
    messages.add({"choices": [{"delta": message}, {"message": message}]})
    gathered(messages)


def test_iterators_are_left_alone():
    """Reading one would take from the request what it is to send."""
    parts = iter([text("Hello")])
    given = {
        "messages": iter([{"role": "user", "content": "Hello"}]),
        "tools": iter([{"type": "function"}]),
        "prompt": iter(["Hello"]),
        "frame_images": iter([FRAME]),
    }
    for operation in OPERATIONS:
        assert gathered(Messages(operation, given))[INPUTS] == []
    assert [len(list(one)) for one in given.values()] == [1] * 4

    (message,) = asked({"role": "user", "content": parts, "tool_calls": parts})
    assert message["parts"] == []
    assert list(parts) == [text("Hello")]


def test_objects_are_read_like_dictionaries():
    """As the SDKs' own models are, with fields that they do not declare."""

    class Model:
        def __init__(self, **fields):
            self.__pydantic_extra__ = fields.pop("extra", None)
            self.__dict__.update(fields)

    call = Model(id="call-1", function=Model(name="f", arguments=json.dumps({"a": 1})))
    message = Model(role="assistant", content="Hi", tool_calls=[call], extra={"reasoning": "So:"})
    (found,) = said({"choices": [Model(index=0, message=message, finish_reason="stop")]})
    assert found["parts"] == [
        {"type": "reasoning", "content": "So:"},
        text("Hi"),
        {"type": "tool_call", "id": "call-1", "name": "f", "arguments": {"a": 1}},
    ]
