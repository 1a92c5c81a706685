"""Attributes of requests and answers have exactly the conventions' types."""

from types import SimpleNamespace

import httpx
import pytest

from together_otel.clients.base import Result
from together_otel.clients.payloads import add_result, described, ratelimits
from together_otel.clients.realtime import Connections
from together_otel.clients.together_v1 import TogetherV1
from together_otel.clients.uploads import TogetherV1Uploads

PREFIX = "gen_ai.request."


def attributes(**body):
    return described("chat", None, None, body).attributes


def test_no_model():
    """A span's name has no space for one that is not there."""
    assert described("chat", None, None, {"model": ""}).model is None


@pytest.mark.parametrize("name", ["temperature", "top_p", "frequency_penalty", "presence_penalty"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [(1, 1.0), (0, 0.0), (0.5, 0.5), (True, None), (False, None), ("1", None), (10**400, None)]
    + [(float(odd), None) for odd in ("nan", "inf", "-inf")],
)
def test_doubles(name, given, expected):
    """A backend that has seen a double for an attribute may refuse an integer."""
    found = attributes(**{name: given}).get(PREFIX + name)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("max_tokens", "gen_ai.request.max_tokens"),
        ("seed", "gen_ai.request.seed"),
        ("top_k", "gen_ai.request.top_k"),
        ("n", "gen_ai.request.choice.count"),
        ("dimensions", "gen_ai.embeddings.dimension.count"),
    ],
)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (7, 7),
        (7.0, 7),
        (-7, -7),
        (7.5, None),
        (True, None),
        (False, None),
        (float("inf"), None),
        (float("nan"), None),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        ("7", None),
    ],
)
def test_integers(name, attribute, given, expected):
    """One beyond 64 bits would end the export of the whole batch."""
    found = attributes(**{name: given}).get(attribute)
    assert (found, type(found)) == (expected, type(expected))


class Odd:
    def __eq__(self, _):
        raise LookupError("compared with anything")

    __hash__ = None


@pytest.mark.parametrize("number", [1, 1.0, Odd()], ids=["one", "as a float", "odd"])
def test_one_choice_is_what_is_usual(number):
    assert attributes(n=number) == {}


@pytest.mark.parametrize(
    "said", ["nan", "inf", "-inf", "1e999", "-5", "", "many", "6" * 16, "0." + "6" * 14]
)
def test_rate_limits_that_are_none(said):
    assert ratelimits({"x-ratelimit-remaining": said, "x-ratelimit-limit": "5"}.get) == {"limit": 5}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("image_generation", "image"), ("speech", "speech"), ("video_generation", "video")],
)
def test_output_type_of_what_makes_only_one(operation, kind):
    assert described(operation, None, None, {}).attributes == {"gen_ai.output.type": kind}


def usage_of(**usage):
    result = Result()
    add_result({"usage": usage}, result)
    return result.usage


def test_breakdowns_are_never_zero():
    """Whichever way the server tells them."""
    inside = {"cached_tokens": 0}, {"reasoning_tokens": 0}
    for details in (
        {"cached_tokens": 0, "reasoning_tokens": 0},
        {"prompt_tokens_details": inside[0], "completion_tokens_details": inside[1]},
    ):
        usage = usage_of(prompt_tokens=0, completion_tokens=0, **details)
        assert (usage.input_tokens, usage.output_tokens) == (0, 0)
        assert (usage.cached_tokens, usage.reasoning_tokens) == (None, None)
    usage = usage_of(cached_tokens=3, completion_tokens_details={"reasoning_tokens": 5})
    assert (usage.cached_tokens, usage.reasoning_tokens) == (3, 5)


@pytest.mark.parametrize("tokens", ["7", 7, 7.0])
def test_tokens(tokens):
    assert usage_of(prompt_tokens=tokens).input_tokens == 7


@pytest.mark.parametrize(
    "tokens", [None, "many", True, -1, "-1", 2**64, 10**15, float("inf"), float("nan"), [], {}]
)
def test_tokens_that_are_none(tokens):
    """A server may say anything; a number beyond 64 bits would end the export of a batch.

    Counters only grow.
    """
    usage = usage_of(prompt_tokens=tokens, cached_tokens=tokens, completion_tokens_details=tokens)
    assert (usage.input_tokens, usage.cached_tokens, usage.reasoning_tokens) == (None, None, None)


def test_choices_without_end():
    """A server's numbers do not make an attribute of any length."""
    result = Result()
    choice = {"index": 10**9, "finish_reason": "stop"}
    add_result({"choices": [choice, *({"index": at} for at in range(1000))]}, result)
    assert len(result.finish_reasons) == 128


def of_1(headers):
    client = SimpleNamespace(api_base="http://made.up/v1", supplied_headers=headers)
    return TogetherV1().request(client, (SimpleNamespace(url="/models", headers={}),), {})


def of_an_upload_by_1(headers):
    client = SimpleNamespace(base_url="http://made.up/v1", supplied_headers=headers)
    return TogetherV1Uploads().request(SimpleNamespace(_client=client), (), {})


def of_a_session(headers):
    client = SimpleNamespace(base_url=httpx.URL("http://made.up/v1"))
    manager = SimpleNamespace(_client=client, _extra_headers=headers, _model="m")
    return Connections().request(manager, (), {})


@pytest.mark.parametrize("described_by", [of_1, of_an_upload_by_1, of_a_session])
def test_key_that_headers_send_in_place_of_the_client_s(described_by):
    """It is one to be looked for in all that is told of the call, and not in what is shown of it."""
    request = described_by({"authorization": "Bearer made-up"})
    assert request.further_keys == ("made-up",)
    assert request.override is not None
    assert "made-up" not in repr(request)
    assert described_by({}).further_keys == ()
    assert described_by({}).override is None
