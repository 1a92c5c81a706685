"""What was said leaves the process without keys, no longer than it may be, as valid JSON."""

import copy
import datetime as dt
import decimal
import json
import math

import conventions
import pytest
from generation import leaks, made_up_key
from hypothesis import given, settings
from hypothesis import strategies as st

from together_otel.names import INPUT_MESSAGES, OUTPUT_MESSAGES, TOOL_DEFINITIONS
from together_otel.telemetry.content import LONGEST_ATTRIBUTE, LONGEST_TEXT, as_json, fit

KEY = made_up_key()
CUT = "… [cut off]"
FEW = 1_024
"""Characters by which the last texts may go beyond the bound: a part is told with all fields."""

quick = settings(derandomize=True, deadline=None, max_examples=100)


def fitted(*items, attribute=INPUT_MESSAGES):
    """Return what is told, after making sure that it is valid, and small enough, on a span too."""
    found = fit({attribute: list(items)}, [KEY])
    written = as_json(found)[attribute]
    assert json.loads(written, parse_constant=not_json) == found[attribute]
    assert size(found[attribute]) <= LONGEST_ATTRIBUTE + FEW
    # A control character takes six in JSON.
    assert len(written) <= 6 * (LONGEST_ATTRIBUTE + FEW)
    written.encode()
    return found[attribute]


def not_json(constant):
    raise AssertionError(f"{constant} is not JSON")


def size(value):
    """Return how many characters the texts of a structure have."""
    if isinstance(value, dict):
        return sum(len(name) + size(inner) for name, inner in value.items())
    if isinstance(value, list):
        return sum(map(size, value))
    return len(value) if isinstance(value, str) else 0


def message(*said, role="user"):
    return {"role": role, "parts": [{"type": "text", "content": text} for text in said]}


def called(arguments):
    part = {"type": "tool_call", "id": "call-1", "name": "f", "arguments": arguments}
    return {"role": "assistant", "parts": [part]}


def arguments(given):
    """Return the arguments that are told of a tool's call."""
    (found,) = fitted(called(given))
    return found["parts"][0]["arguments"]


# ── bounds ───────────────────────────────────────────────────────────────────────────


def test_what_fits_is_told_as_it_is():
    said = [message("Be brief.", role="system"), message("Hello", "x" * LONGEST_TEXT), called({})]
    assert fitted(*said) == said


def test_nothing_is_told_of_nothing():
    assert fit({INPUT_MESSAGES: [], OUTPUT_MESSAGES: []}, [KEY]) == {}


def test_an_enormous_text_is_cut_off_and_says_so():
    (found,) = fitted(message("word " * 2_000_000))
    told = found["parts"][0]["content"]
    assert len(told) == LONGEST_TEXT
    assert told.startswith("word word ")
    assert told.endswith(CUT)


def test_of_a_long_conversation_the_first_and_the_last_messages_are_told():
    said = [message(f"{number} " + "x" * 2_000) for number in range(128)]
    found = fitted(*said)
    places = [int(one["parts"][0]["content"].split()[0]) for one in found]
    assert places[0] == 0
    assert places[1:] == list(range(128 - len(found) + 1, 128))
    assert len(found) > LONGEST_ATTRIBUTE // 2_100


def test_attributes_have_their_room_each():
    long = [message("x" * 2_000_000)] * 20
    found = fit({INPUT_MESSAGES: long, OUTPUT_MESSAGES: [message("Hello")]}, [])
    assert found[OUTPUT_MESSAGES] == [message("Hello")]


def test_what_the_conventions_require_is_never_cut():
    """However little room is left, a part that is told is whole: its type, its name, its role."""
    for length in range(LONGEST_TEXT - 200, LONGEST_TEXT, 7):
        parts = [
            *({"type": "text", "content": "x" * length} for _ in range(7)),
            {"type": "text", "content": "x" * (LONGEST_TEXT - 700)},
            *({"type": "tool_call", "id": f"{place}", "name": "f" * 60} for place in range(50)),
        ]
        found = fitted({"role": "assistant", "parts": parts}, message("Hello"))
        conventions.check({INPUT_MESSAGES: found})
        assert found[0]["role"] == "assistant"
        assert {part["type"] for part in found[0]["parts"]} <= {"text", "tool_call"}


def test_deep_values_end_in_a_sign():
    deep = "the bottom"
    for _ in range(100):
        deep = {"in": [deep]}
    written = json.dumps(arguments(deep), ensure_ascii=False)
    assert "the bottom" not in written
    assert written.count('"in"') == 8
    assert "…" in written


def test_circular_values_end():
    around = {"name": "around"}
    around["again"] = [around, around]
    assert arguments(around)["again"][0]["name"] == "around"


def test_wide_values_end():
    """Of a million items, the first that fit."""
    assert arguments(list(range(1_000_000)))[:3] == [0, 1, 2]
    found = arguments({str(number): "x" * 100 for number in range(100_000)})
    assert list(found)[:2] == ["0", "1"]
    assert len(found) < LONGEST_ATTRIBUTE // 100


class Odd:
    """Something of the application's, which is not asked what it is."""

    def __repr__(self):
        raise AssertionError("asked")

    __str__ = __hash__ = __repr__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (0.5, 0.5),
        (-(2**63), -(2**63)),
        (2**63, str(2**63)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (10**5_000, "(int)"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (b"bytes", "(bytes)"),
        (decimal.Decimal("0.1"), "(Decimal)"),
        (dt.date(2024, 1, 1), "(date)"),
        (Odd(), "(Odd)"),
        ({1, 2}, "(set)"),
        ((1, (2,)), [1, [2]]),
        ("half \ud83d of it", "half \ufffd of it"),
        ({1: 2, None: 3, "\udc80": 4}, {"1": 2, "None": 3, "\ufffd": 4}),
        ({(1, 2): 3, b"x": 4}, {"…": 3, "(bytes)": 4}),
        ({10**5_000: 1}, {"(int)": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_values(value, told):
    """What JSON or OpenTelemetry cannot hold becomes a text: itself, or what it is."""
    assert arguments(value) == told
    assert arguments({"in": [value]}) == {"in": [told]}


def test_nothing_is_consumed():
    generator = (number for number in range(3))
    assert arguments({"of": generator}) == {"of": "(generator)"}
    assert list(generator) == [0, 1, 2]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(exclude_categories=()), max_size=40)
    | st.decimals()
    | st.sampled_from(["x" * 10_000, "\0" * 10_000, "\udc80" * 100, 2**70, -(10**4_000)])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.integers() | st.none(), inner, max_size=5)
        | st.tuples(inner, inner)
    ),
    max_leaves=40,
)
PARTS = st.fixed_dictionaries(
    {"type": st.just("tool_call"), "name": st.text(), "arguments": VALUES}
)
MESSAGES = st.fixed_dictionaries({"role": st.text(max_size=9), "parts": st.lists(PARTS)})


@quick
@given(st.lists(MESSAGES, min_size=1, max_size=12))
def test_any_message_is_valid_and_bounded(said):
    before = repr(said)
    conventions.check({INPUT_MESSAGES: fitted(*said)})
    assert repr(said) == before


@quick
@given(VALUES)
def test_any_definition_of_a_tool(parameters):
    """Its parameters are the application's own words; the rest is not."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "in": parameters}}
    (found,) = fitted(tool, attribute=TOOL_DEFINITIONS)
    conventions.check({TOOL_DEFINITIONS: [found]})
    assert found["parameters"]["type"] == "object"


# ── keys ─────────────────────────────────────────────────────────────────────────────

FOREIGN = {
    "OpenAI": "sk-" + "proj-" + "Zy9X" * 10,
    "Groq": "gsk" + "_" + "Zy9X" * 10,
    "old": "0f1e2d3c" * 8,
    "another of Together's": made_up_key("Q"),
}
"""Keys of others: known by their looks alone."""


def every_place(key):
    """Yield messages with a key in each place that a text can be in."""
    yield message(f"My key is {key}.")
    yield message("fine") | {"name": key}
    yield message("fine", role=key)
    yield called({"header": f"Bearer {key}"})
    yield called({"deep": [{"er": [key]}]})
    yield called({key: 1})
    yield called(f'{{"header": "{key}')
    part = {"type": "tool_call_response", "id": key, "response": [{"type": "text", "content": key}]}
    yield {"role": "tool", "parts": [part]}
    yield {
        "role": "user",
        "parts": [{"type": "uri", "modality": "image", "uri": f"https://a.invalid/?k={key}"}],
    }


@pytest.mark.parametrize("key", [KEY, *FOREIGN.values()], ids=["own", *FOREIGN])
def test_keys_are_taken_out_wherever_they_are(key):
    for said in every_place(key):
        before = copy.deepcopy(said)
        (found,) = fitted(said)
        assert leaks(json.dumps(found, ensure_ascii=False), key) == [], said
        assert "[key]" in json.dumps(found)
        assert said == before


@pytest.mark.parametrize(
    "name", ["api_key", "API-KEY", "apikey", "TOGETHER_API_KEY", "Authorization", "x-api-key"]
)
def test_what_is_called_a_key_is_one(name):
    """As it is in a text, where redaction sees the name and the value together."""
    assert arguments({name: "hunter two"}) == {name: "[key]"}
    assert arguments({name: ""}) == {name: ""}
    assert arguments({name: {"type": "string"}}) == {name: {"type": "string"}}
    assert arguments({"keyboard": "qwertz"}) == {"keyboard": "qwertz"}


def test_a_key_across_the_end_of_what_is_told():
    """It is seen whole, so nothing of it is left before the cut."""
    for before in range(LONGEST_TEXT - len(KEY) - 20, LONGEST_TEXT + 20, 3):
        (found,) = fitted(message("x " * (before // 2) + KEY + " x" * 5_000))
        assert leaks(found["parts"][0]["content"], KEY) == []


def test_the_digest_of_an_image_is_no_key():
    """Whole, it would have the shape of one."""
    uri = "nih:sha-256-128;" + "0f1e2d3c" * 4
    image = {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": uri}]}
    assert fitted(image) == [image]
