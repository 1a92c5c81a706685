"""An upload whose first request is refused goes on with another key, whatever way that takes."""

import json

import pytest
from recovering import BAD, OLD, Answers
from transfers import FILE, events, ready, to

from together_otel.testing import behaviours


@pytest.fixture
def upload(sdk, tmp_path, monkeypatch):
    """Upload a small training file by a client."""
    ready(sdk, monkeypatch)
    file = tmp_path / "training.jsonl"
    file.write_text(json.dumps({"text": "Hello"}) + "\n")
    return lambda client: sdk.run(lambda: client.files.upload(file=file))


def uploads(telemetry):
    """Return what became of whole uploads."""
    return [
        span["attributes"]["together.request.outcome"]
        for span in telemetry.spans()
        if span["name"] == "files.upload"
    ]


def test_an_upload(lab, upload, storage):
    """The file goes once; the client uses the new key from then on; the refusal is told once."""
    source = Answers(lab.key)
    lab.instrument(source)
    client = lab.client(api_key=OLD)
    lab.server.script(behaviours.usual(), to(storage), behaviours.usual(), to(storage))
    assert upload(client).id == FILE
    assert len(storage.requests) == 1
    assert upload(client).id == FILE

    assert lab.keys_sent() == [OLD, lab.key, lab.key, lab.key, lab.key]
    assert source.calls == 1
    assert uploads(lab.telemetry) == ["success", "success"]
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert lab.searches() == {"recovered": 1}
    assert lab.leaks(lab.key, OLD) == []


@pytest.mark.parametrize(
    ("answer", "sent"), [(None, [OLD]), (BAD, [OLD, BAD])], ids=["none", "bad"]
)
def test_an_upload_in_vain(lab, answer, sent, upload):
    """It fails as it did; each refusal is told once."""
    lab.instrument(Answers(answer))
    # That is what the SDK says.
    with pytest.raises(Exception, match="free trial credits") as caught:
        upload(lab.client(api_key=OLD))
    assert type(caught.value).__name__ == "AuthenticationError"
    assert lab.keys_sent() == sent
    assert uploads(lab.telemetry) == ["auth_failure"]
    assert lab.telemetry.counter("together.client.auth.failures") == len(sent)
    assert "gen_ai.client.inference.exception" not in events(lab.telemetry)


def test_an_upload_that_fails_otherwise_after_all(lab, upload, storage):
    """What was recovered from is forgotten: storage's failure is told as what it is."""
    lab.instrument(Answers(lab.key))
    lab.server.script(behaviours.usual(), to(storage))
    storage.always(behaviours.custom(403, "<Error/>"))
    with pytest.raises(Exception, match=r"403|[Uu]pload"):
        upload(lab.client(api_key=OLD))
    assert uploads(lab.telemetry) == ["client_error"]
    assert lab.telemetry.counter("together.client.auth.failures") == 1
    assert events(lab.telemetry).count("gen_ai.client.inference.exception") == 1
