"""Files on their way: how their tests set an SDK up, and what they ask of the telemetry."""

import importlib

import pytest
from generation import GENERATION

from together_otel.testing import behaviours

SIGNATURE = "0a1b" * 16
"""Of the shape that storage's are of."""
FILE = "file-9"


def to(storage):
    """Answer as Together does to the first request of an upload: send the file there."""
    address = f"{storage.url}/storage/{FILE}?X-Amz-Signature={SIGNATURE}"
    return behaviours.custom(302, b"", {"Location": address, "X-Together-File-Id": FILE})


def ready(sdk, monkeypatch):
    """Skip what 1.x does not do, and let it wait for nothing before it tries again."""
    if GENERATION > 1:
        return
    if sdk.is_async:
        pytest.skip("1.x transfers files synchronously only")
    requestor = importlib.import_module("together.abstract.api_requestor").APIRequestor
    monkeypatch.setattr(requestor, "_calculate_retry_timeout", lambda *_, **__: 0)


def outcomes(telemetry):
    """Return what the CLIENT spans say, by their names, in the order in which they ended."""
    spans = [span for span in telemetry.spans() if span["kind"] == "CLIENT"]
    said = {span["name"]: span["attributes"]["together.request.outcome"] for span in spans}
    assert len(said) == len(spans)
    return said


def events(telemetry):
    """Return the log events without constructors', and exceptions that stand beside auth_failed."""
    return [
        log["event_name"]
        for log in telemetry.logs()
        if log["event_name"] != "together.client.key_checked"
        and log["attributes"].get("together.request.outcome") != "auth_failure"
    ]


def attributes(telemetry, name):
    """Return the attributes of the span of a name."""
    (span,) = [span for span in telemetry.spans() if span["name"] == name]
    return span["attributes"]


def assert_key_is_not_blamed(telemetry):
    """Nothing was told as a failure of the key, and one failure was told as something else."""
    assert telemetry.counter("together.client.auth.failures") == 0
    assert events(telemetry) == ["gen_ai.client.inference.exception"]
    assert "together.auth" not in str(telemetry.spans())
    assert SIGNATURE not in telemetry.everything()
