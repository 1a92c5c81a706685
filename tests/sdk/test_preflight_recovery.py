"""A constructor that refuses a key, where there may be another one, and in-house wrappers."""

import pickle
import traceback

import pytest
import refusing
from generation import leaks, made_up_key
from recovering import Answers

from together_otel import UnusableKeyError

BAD = made_up_key("N") + "\n"
"""Cannot be sent, to whichever host."""


# A fixture, which pytest looks for in the module.
raising = refusing.raising


def test_another_key_is_looked_for_first(lab):
    """The client is made of that, and so is the next; nothing has failed."""
    source = Answers(lab.key)
    lab.instrument(source)

    lab.chat(lab.client(api_key=BAD))
    lab.chat(lab.client(api_key=BAD))

    assert source.calls == 1
    assert lab.keys_sent() == [lab.key, lab.key]
    assert lab.searches() == {"recovered": 1}
    assert lab.telemetry.counter("together.client.auth.failures") == 0
    assert lab.events() == ["key_recovered"]


@pytest.mark.parametrize("answer", [None, BAD[:-2], "changeme", OSError()], ids=str)
def test_when_there_is_none_it_is_refused(lab, answer):
    """Once, and with nothing of the search in its traceback."""
    lab.instrument(Answers(answer))
    with pytest.raises(UnusableKeyError) as caught:
        lab.client(api_key=BAD)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert not [frame.filename for frame in frames if "together_otel/recovery/" in frame.filename]
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.events() == ["key_not_recovered", "auth_failed"]
    assert lab.server.requests == []


# ── the report's own package ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["TogetherAI", "AsyncTogetherAI"])
@pytest.mark.parametrize(
    ("given", "cause"), [("", "empty"), (None, "missing"), (BAD, "malformed")], ids=str
)
def test_the_reports_client(kind, given, cause, in_house, telemetry):
    """`TogetherAI(api_key='')` says what to do, by the error that the report shows."""
    with pytest.raises(in_house.AuthenticationError) as caught:
        getattr(in_house, kind)(api_key=given)
    error = caught.value
    assert isinstance(error, UnusableKeyError)
    assert error.cause == cause
    assert error.status_code is None
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), vars(again)) == (type(error), vars(error))
    assert telemetry.counter("together.client.auth.failures") == 1
    assert leaks(telemetry.everything() + repr(error), BAD) == []


def test_the_reports_client_at_together(in_house, telemetry):
    """Its host decides, where it tells it."""
    in_house.TogetherAI(api_key="changeme")
    with pytest.raises(UnusableKeyError, match="is a placeholder"):
        in_house.TogetherAI(api_key="changeme", base_url="https://api.together.xyz/v1")
    assert telemetry.counter("together.client.auth.failures") == 1


def test_a_wrapper_whose_errors_are_made_otherwise(in_house, telemetry, monkeypatch):
    """Its class is caught all the same; without one, ours is."""

    class Own(Exception):  # noqa: N818 - a stand-in
        def __init__(self, code, detail): ...

    monkeypatch.setattr(in_house, "AuthenticationError", Own)
    with pytest.raises(Own, match="is empty"):
        in_house.TogetherAI(api_key="")
    monkeypatch.delattr(in_house, "AuthenticationError")
    monkeypatch.delattr("together_ai.errors.AuthenticationError")
    with pytest.raises(UnusableKeyError, match="is empty") as caught:
        in_house.TogetherAI(api_key="")
    assert type(caught.value) is UnusableKeyError
    assert telemetry.counter("together.client.auth.failures") == 2
