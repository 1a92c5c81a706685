"""Uploads: several requests, of which one goes to storage and without the key."""

import asyncio
import importlib
import json

import pytest
from generation import GENERATION, RELEASE, leaks, made_up_key
from transfers import (
    FILE,
    SIGNATURE,
    assert_key_is_not_blamed,
    attributes,
    events,
    outcomes,
    ready,
    to,
)

from together_otel.testing import behaviours

UPLOAD = "files.upload"
TRANSFER = ["files.transfer"] if GENERATION == 1 else []
"""1.x sends files as it sends everything; later ones go straight to their HTTP client."""

MODULE = "together.resources.files" if GENERATION == 1 else "together.lib.resources.files"
ABORTED = ["files.multipart.initiate", "files.multipart.abort", UPLOAD]


@pytest.fixture
def upload(sdk, key, tmp_path, monkeypatch):
    """Upload a small training file, with the good key unless another is given."""
    ready(sdk, monkeypatch)
    file = tmp_path / "training.jsonl"
    file.write_text(json.dumps({"text": "Hello"}) + "\n")

    def uploaded(given=key):
        client = sdk.client(api_key=given)
        return sdk.run(lambda: client.files.upload(file=file))

    return uploaded


@pytest.fixture
def in_parts(monkeypatch):
    """Let every file be large enough to go in parts."""
    monkeypatch.setattr(f"{MODULE}.MULTIPART_THRESHOLD_GB", 0)


def parts_to(storage, count=2):
    """Answer as Together does to the first request of an upload in parts."""
    parts = [
        {
            "PartNumber": number,
            "URL": f"{storage.url}/storage/{FILE}/{number}?X-Amz-Signature={SIGNATURE}",
        }
        for number in range(1, count + 1)
    ]
    return behaviours.custom(200, {"upload_id": "upload-1", "file_id": FILE, "parts": parts})


def assert_one_tree(telemetry):
    """The upload's span is the parent of all others but the constructor's, and has none."""
    spans = {span.name: span for span in telemetry.finished_spans() if span.kind.name == "CLIENT"}
    root = spans.pop(UPLOAD)
    assert root.parent is None
    assert {name: span.parent and span.parent.span_id for name, span in spans.items()} == (
        dict.fromkeys(spans, root.context.span_id)
    )


def test_upload(upload, key, server, storage, telemetry):
    """One span round those of its requests; storage gets the file, and not the key."""
    server.script(to(storage))
    assert upload().id == FILE

    names = ["files.create", *TRANSFER, "files.preprocess", UPLOAD]
    assert outcomes(telemetry) == dict.fromkeys(names, "success")
    assert_one_tree(telemetry)
    assert [(request.method, request.authorization) for request in storage.requests] == [
        ("PUT", None)
    ]
    assert [request.key for request in server.requests] == [key, key]
    assert attributes(telemetry, UPLOAD)["server.port"] == int(server.url.rpartition(":")[2])
    for name in names:
        wanted = {"gen_ai.operation.name": name, "together.request.outcome": "success"}
        assert telemetry.counter("together.client.requests", wanted) == 1
        ended = {"gen_ai.operation.name": name}
        assert telemetry.counter("gen_ai.client.operation.duration", ended) == 1
    assert events(telemetry) == []


@pytest.mark.usefixtures("in_parts")
def test_upload_in_parts(upload, server, storage, telemetry):
    """The same, however many parts go to storage."""
    server.script(parts_to(storage))
    upload()

    names = ["files.multipart.initiate", "files.multipart.complete", UPLOAD]
    assert outcomes(telemetry) == dict.fromkeys(names, "success")
    assert_one_tree(telemetry)
    assert [request.authorization for request in storage.requests] == [None, None]
    assert events(telemetry) == []


@pytest.mark.parametrize("how", ["whole", "parts"])
def test_refused_key(upload, how, request, storage, telemetry):
    """Request and upload both tell the cause; it is counted, and logged, once."""
    if how == "parts":
        request.getfixturevalue("in_parts")
    wrong = made_up_key("C")
    with pytest.raises(Exception, match=r"free trial|Invalid API key") as raised:
        upload(wrong)
    assert type(raised.value).__name__ == "AuthenticationError"

    first = "files.create" if how == "whole" else "files.multipart.initiate"
    assert outcomes(telemetry) == dict.fromkeys([first, UPLOAD], "auth_failure")
    causes = [attributes(telemetry, name)["together.auth.cause"] for name in (first, UPLOAD)]
    assert causes == ["rejected", "rejected"]
    rejected = {"together.auth.cause": "rejected"}
    assert telemetry.counter("together.client.auth.failures", rejected) == 1
    assert telemetry.counter("together.client.auth.failures") == 1
    assert events(telemetry) == ["together.client.auth_failed"]
    assert storage.requests == []
    assert leaks(telemetry.everything(), wrong) == []


@pytest.mark.parametrize("status", [400, 401, 403])
def test_storage_refuses(upload, status, server, storage, telemetry):
    """What storage thinks of a signature says nothing about the key, which it did not get."""
    server.script(to(storage))
    storage.script(behaviours.custom(status, "<Error><Code>AccessDenied</Code></Error>"))
    with pytest.raises(Exception, match="Error during file upload"):
        upload()

    failed = dict.fromkeys([*TRANSFER, UPLOAD], "client_error")
    assert outcomes(telemetry) == {"files.create": "success", **failed}
    assert attributes(telemetry, UPLOAD)["http.response.status_code"] == status
    assert_key_is_not_blamed(telemetry)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(
    ("status", "outcome"), [(401, "client_error"), (403, "client_error"), (503, "server_error")]
)
def test_storage_refuses_a_part(upload, status, outcome, server, storage, telemetry):
    """The same, though the SDK says no more than that a part failed."""
    server.script(parts_to(storage, 1))
    storage.script(behaviours.custom(status, "<Error><Code>AccessDenied</Code></Error>"))
    with pytest.raises(Exception):  # noqa: B017, PT011 - a bare one is what the SDK raises
        upload()

    said = outcomes(telemetry)
    assert (list(said), said[UPLOAD]) == (ABORTED, outcome)
    assert attributes(telemetry, UPLOAD)["http.response.status_code"] == status
    assert_key_is_not_blamed(telemetry)


def test_storage_hangs_up(upload, server, storage, telemetry):
    """A lost connection is told as one; 1.x tries again, with Together and without the key."""
    server.script(to(storage))
    storage.script(behaviours.drop_connection())
    with pytest.raises(Exception, match=r"Server disconnected|Error during file upload"):
        upload()

    outcome = "client_error" if GENERATION == 1 else "connection_error"
    failed = dict.fromkeys([*TRANSFER, UPLOAD], outcome)
    assert outcomes(telemetry) == {"files.create": "success", **failed}
    assert_key_is_not_blamed(telemetry)


@pytest.mark.usefixtures("in_parts")
def test_storage_hangs_up_on_a_part(upload, server, storage, telemetry):
    server.script(parts_to(storage, 1))
    storage.script(behaviours.drop_connection())
    with pytest.raises(Exception):  # noqa: B017, PT011 - a bare one is what the SDK raises
        upload()

    said = outcomes(telemetry)
    assert (list(said), said[UPLOAD]) == (ABORTED, "connection_error")
    assert_key_is_not_blamed(telemetry)


def test_together_sends_nowhere(upload, server, telemetry):
    """A redirect without an address fails the upload, though it is no HTTP error."""
    server.script(behaviours.custom(302, b""))
    with pytest.raises(Exception, match=r"(?i)location"):
        upload()

    said = outcomes(telemetry)
    assert (said["files.create"], said[UPLOAD]) == (
        "success",
        "client_error" if GENERATION == 1 else "server_error",
    )
    assert_key_is_not_blamed(telemetry)


@pytest.mark.skipif(GENERATION == 1 or RELEASE.startswith("2.0."), reason="came after 2.0")
def test_file_that_is_there_already(upload, server, telemetry):
    """The SDK swallows the refusal and asks for the file that is there."""
    server.script(behaviours.custom(409, {"file_id": FILE}))
    assert upload().id == FILE

    assert outcomes(telemetry) == {
        "files.create": "client_error",
        UPLOAD: "client_error",
        "files.retrieve": "success",
    }
    assert_key_is_not_blamed(telemetry)


@pytest.mark.skipif(GENERATION == 1, reason="1.x transfers files synchronously only")
async def test_cancelled(key, tmp_path, server, storage, telemetry):
    """An upload that is cancelled while its file goes out ends as that."""
    file = tmp_path / "training.jsonl"
    file.write_text(json.dumps({"text": "Hello"}) + "\n")
    server.script(to(storage))
    storage.script(behaviours.slow(60))
    together = importlib.import_module("together")
    async with together.AsyncTogether(
        api_key=key, base_url=server.base_url_for(RELEASE), max_retries=0
    ) as client:
        task = asyncio.create_task(client.files.upload(file=file))
        await asyncio.to_thread(storage.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert outcomes(telemetry) == {"files.create": "success", UPLOAD: "cancelled"}
    assert telemetry.counter("together.client.auth.failures") == 0
