"""Without providers and metrics nobody is told of a call that succeeds; what fails is told all the same."""

import contextlib
import gc

import pytest
from generation import GENERATION

from together_otel import TogetherInstrumentor
from together_otel.auth import history
from together_otel.calls import idle
from together_otel.testing import behaviours

pytestmark = pytest.mark.skipif(GENERATION == 1, reason="1.x has no calls that are told after")


@pytest.fixture(autouse=True)
def a_moment_lasts(monkeypatch):
    """Let the acceptance be one of a moment ago however slow the machine is."""
    monkeypatch.setattr(history, "_FRESH", 600.0)


@pytest.fixture
def begun(monkeypatch):
    """The instrumentation, on and idle; what the idle calls of the test became."""
    found = []
    begin = idle.IdleCall.begun

    def noting(call):
        found.append(begin(call))
        return found[-1]

    monkeypatch.setattr(idle.IdleCall, "begun", noting)
    TogetherInstrumentor().instrument(metrics="none")
    yield found
    TogetherInstrumentor().uninstrument()


@pytest.fixture
def client(begun, sdk, key):
    """A client whose key was accepted a moment ago."""
    del begun
    made = sdk.client(api_key=key)
    sdk.chat(made)
    return made


def failures(caplog):
    """Return the lines of failures, of requests and of keys."""
    names = ("together.client.auth_failed", "gen_ai.client.inference.exception")
    return [line for line in caplog.messages if line.startswith(names)]


def test_a_success_is_not_looked_at(begun, sdk, client, monkeypatch):
    idle_calls = []
    succeed = idle.IdleCall.succeed

    def noting(call, value):
        idle_calls.append(call)
        succeed(call, value)

    monkeypatch.setattr(idle.IdleCall, "succeed", noting)
    for _ in range(3):
        sdk.chat(client)
    assert len(idle_calls) == 3
    assert begun == []


def test_a_refusal_is_diagnosed_by_what_was_accepted(begun, sdk, client, key, server, caplog):
    """The key worked a moment ago: it is revoked; one line, with what the answer said."""
    server.revoke(key)
    with pytest.raises(Exception, match="401"):
        sdk.chat(client)
    (line,) = failures(caplog)
    assert len(begun) == 1
    assert "cause=revoked" in line
    assert "status_code=401" in line


def test_a_failure_of_another_kind_is_logged_once(begun, sdk, client, server, caplog):
    server.script(behaviours.server_error())
    with contextlib.suppress(Exception):
        sdk.chat(client)
    (line,) = failures(caplog)
    assert len(begun) == 1
    assert "status_code=500" in line


def test_a_stream_that_breaks_is_told(begun, sdk, client, server, caplog):
    """A stream goes on beyond the function that made it, so its call is begun there."""
    server.script(behaviours.error_frame())
    with pytest.raises(Exception, match=r".+"):
        sdk.read(sdk.chat(client, stream=True))
    (line,) = failures(caplog)
    assert len(begun) == 1
    assert begun[0].ended
    assert "cause=revoked" in line


def test_a_key_in_headers_is_no_idle_call(begun, sdk, client, key, caplog):
    """Whose acceptance says nothing of the client's own key."""
    sdk.chat(client, extra_headers={"Authorization": f"Bearer {key}"})
    assert begun == []
    with contextlib.suppress(Exception):
        sdk.chat(client, extra_headers={"Authorization": "Bearer tgp_" + "v1_" + "c9D8" * 10})
    (line,) = failures(caplog)
    assert "cause=overridden" in line
    assert begun == []


def test_nothing_of_a_success_is_kept(begun, sdk, client):
    """Neither it nor the answer waits for a garbage collection."""
    gc.collect()
    gc.disable()
    try:
        sdk.chat(client)
        assert not [one for one in gc.get_objects() if type(one) is idle.IdleCall]
    finally:
        gc.enable()
    assert begun == []
