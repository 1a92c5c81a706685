"""In-house clients keep their key wherever they like, and tell of a refusal however they like."""

from types import SimpleNamespace

import pytest
from generation import leaks
from in_house import AUTH_FAILED, RefusedError, once

from together_otel.clients.in_house import InHouse
from together_otel.testing import MadeUpKeys

TOLD = {
    "response.id": "c-1",
    "response.model": "a/model",
    "response.finish_reasons": ["stop"],
    "usage.input_tokens": 3,
    "usage.output_tokens": 1,
}


def refuse(*_):
    raise RefusedError


@pytest.mark.parametrize("attribute", ["api_key", "_api_key", "__token"])
def test_the_key_is_the_one_that_the_client_was_made_of(attribute, house, key):
    client = house.build("TogetherAI", refuse, attribute).watch().client()
    with pytest.raises(RefusedError):
        client.chat("Hello")

    (event,) = [one for one in house.telemetry.logs() if one["event_name"] == AUTH_FAILED]
    assert event["attributes"]["together.auth.cause"] == "rejected"
    assert event["attributes"]["together.api_key.format"] == "tgp_v1"
    assert leaks(house.telemetry.everything(), key) == []


def test_a_key_that_only_the_request_shows(house, key):
    """A client may get it from a store of its own: no error is logged before it is refused."""
    headers = {"Authorization": f"Bearer {key}"}
    request = SimpleNamespace(url="https://api.together.xyz/v1/chat", headers=headers)
    error = RefusedError()
    error.response = SimpleNamespace(status_code=401, headers={}, request=request)

    def refuse_it(*_):
        raise error

    client = house.build("TogetherAI", refuse_it, "__token").watch().cls(None)
    assert house.telemetry.logs() == []
    with pytest.raises(RefusedError):
        client.chat("Hello")
    assert house.recorded() == once("auth_failure", "rejected", 401)


def test_a_key_of_another_provider_whose_client_shows_no_base_url(house, monkeypatch):
    """Whether it is a gateway's own is not known; that it was looked at is logged all the same."""

    def raises(_client):
        raise RuntimeError

    monkeypatch.setenv("TOGETHER_OTEL_HOSTS", "gateway.example")
    house.build("TogetherAI", refuse).cls.base_url = property(raises)
    house.watch().cls(MadeUpKeys().other_provider())
    (event,) = house.telemetry.logs()
    assert event["event_name"] == "together.client.key_checked"
    assert event["attributes"]["together.api_key.format"] == "other_provider"
    assert "is a key of" in event["attributes"]["together.auth.remedy"]
    assert house.telemetry.counter("together.client.telemetry.errors") == 0


class Masked:
    """As pydantic's SecretStr."""

    def __init__(self, text):
        self._text = text

    def __str__(self):
        return "**********"

    def get_secret_value(self):
        return self._text


def test_a_key_in_a_secret_str(house, key):
    """The client takes it out itself, and finds another one in an object of the same kind."""
    client = house.build("TogetherAI", refuse).watch().cls(Masked(key))
    with pytest.raises(RefusedError):
        client.chat("Hello")
    assert house.recorded() == once("auth_failure", "rejected", 401)
    checked = house.telemetry.logs()[0]["attributes"]
    assert checked["together.api_key.format"] == "tgp_v1"
    assert InHouse().set_key(client, "another")
    assert client.api_key.get_secret_value() == "another"


class Slotted:
    """A client that shows no key, and takes no weak reference either."""

    __slots__ = ()


def test_a_client_without_weak_references():
    """It is made as without us; its key is not known."""
    adapter, client = InHouse(), Slotted()
    assert adapter.given_key(client, ("made-up",), {}).value == "made-up"
    assert adapter.key(client) is None
    assert not adapter.set_key(client, "another")


class Shown:
    """A client with a property for the key that it keeps."""

    def __init__(self):
        self._api_key = "made-up"

    @property
    def api_key(self):
        raise AssertionError("nobody else is to ask for it")


def test_a_property_is_not_asked_where_the_key_is_kept_beside_it():
    """It may do anything: make another key, or ask a service for one."""
    assert InHouse().key(Shown()) == "made-up"


def streamed(*_):
    choice = {"index": 0, "delta": {"content": "Hello"}}
    yield {"id": "c-1", "model": "a/model", "choices": [choice]}
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    yield {"choices": [choice | {"finish_reason": "stop"}], "usage": usage}


def test_what_a_generator_s_pieces_say(house):
    """Where they are of the API's shape."""
    client = house.build("TogetherAI", streamed).watch().client()
    assert len(list(client.chat("Hello"))) == 2

    (span,) = [one for one in house.telemetry.spans() if one["name"] == "chat"]
    told = {name: span["attributes"].get(f"gen_ai.{name}") for name in TOLD}
    assert told == TOLD
