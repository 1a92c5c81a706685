"""The stand-in for the wrapper of the error report behaves as the report says."""

import pytest
import together_ai
from together_ai.errors import APIConnectionError, AuthenticationError, TogetherAIError

from together_otel.testing import answers, behaviours

BAD_KEY = "Invalid API key provided. Please check your API key and try again."


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    monkeypatch.delenv("TOGETHER_BASE_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_good_key_gets_an_answer(server, key):
    client = together_ai.TogetherAI(api_key=key, base_url=server.base_url)
    assert client.chat("Hello") == answers.REPLY
    assert (client.api_key, client.base_url) == (key, server.base_url)
    assert server.requests[0].fields["messages"] == [{"role": "user", "content": "Hello"}]


async def test_async_chat_answers_the_same(server, key):
    client = together_ai.AsyncTogetherAI(api_key=key, base_url=server.base_url)
    assert await client.chat("Hello") == answers.REPLY


def test_key_and_url_come_from_the_environment(server, key, monkeypatch):
    monkeypatch.setenv("TOGETHER_API_KEY", key)
    monkeypatch.setenv("TOGETHER_BASE_URL", server.base_url)
    together_ai.TogetherAI().chat("Hello")
    assert server.requests[0].key == key


def test_without_a_key_the_constructor_raises():
    with pytest.raises(AuthenticationError) as caught:
        together_ai.TogetherAI()
    assert str(caught.value) == BAD_KEY
    assert caught.value.status_code is None


def test_an_empty_key_is_refused_by_the_server(server):
    """The report's example: the constructor takes ``''``, the first chat raises."""
    client = together_ai.TogetherAI(api_key="", base_url=server.base_url)
    with pytest.raises(AuthenticationError) as caught:
        client.chat("Hello")
    assert str(caught.value) == BAD_KEY
    assert caught.value.status_code == 401
    assert not server.requests[0].authorized


def test_other_statuses_are_no_authentication_errors(server, key):
    server.script(behaviours.rate_limited())
    with pytest.raises(TogetherAIError) as caught:
        together_ai.TogetherAI(api_key=key, base_url=server.base_url).chat("Hello")
    assert type(caught.value) is TogetherAIError
    assert caught.value.status_code == 429


def test_a_dropped_connection_is_a_connection_error(server, key):
    server.script(behaviours.drop_connection())
    with pytest.raises(APIConnectionError):
        together_ai.TogetherAI(api_key=key, base_url=server.base_url).chat("Hello")
