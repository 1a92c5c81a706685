"""The content of files: one request, whichever way a generation goes."""

import pytest
from generation import GENERATION, made_up_key
from transfers import assert_key_is_not_blamed, attributes, events, outcomes, ready

from together_otel.testing import behaviours, objects

FILE = "file-9"


@pytest.fixture
def fetch(sdk, key, tmp_path, monkeypatch):
    """Fetch a file's content, with the good key unless another is given."""
    ready(sdk, monkeypatch)

    def fetched(given=key):
        client = sdk.client(api_key=given)
        if GENERATION > 1:
            return sdk.run(sdk.run(lambda: client.files.content(FILE)).read)
        copy = tmp_path / "copy.jsonl"
        client.files.retrieve_content(FILE, output=copy)
        return copy.read_bytes()

    return fetched


def test_content(fetch, server, telemetry):
    """One request, one span."""
    assert fetch() == objects.FILE_CONTENT
    assert outcomes(telemetry) == {"files.content": "success"}
    assert attributes(telemetry, "files.content")["together.request.id"] == "req-1"
    assert len(server.requests) == 1


def test_content_with_a_refused_key(fetch, telemetry):
    with pytest.raises(Exception, match=r"Invalid API key|Error downloading file"):
        fetch(made_up_key("C"))
    assert outcomes(telemetry) == {"files.content": "auth_failure"}
    assert attributes(telemetry, "files.content")["together.auth.cause"] == "rejected"
    assert telemetry.counter("together.client.auth.failures") == 1
    assert events(telemetry) == ["together.client.auth_failed"]


@pytest.mark.skipif(GENERATION > 1, reason="later ones count their retries in a header")
def test_content_at_the_third_try(fetch, server, telemetry):
    """A transfer of 1.x counts its retries as any call does."""
    server.script(behaviours.server_error(), behaviours.server_error())
    fetch()
    assert attributes(telemetry, "files.content")["http.request.resend_count"] == 2
    assert telemetry.counter("together.client.retries") == 2


@pytest.mark.skipif(GENERATION == 1, reason="1.x reads the body after its transfer has ended")
def test_content_that_breaks_off(fetch, server, telemetry):
    server.script(behaviours.cut_stream())
    with pytest.raises(Exception, match="Connection error"):
        fetch()
    assert outcomes(telemetry) == {"files.content": "connection_error"}
    assert_key_is_not_blamed(telemetry)
