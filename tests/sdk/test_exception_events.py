"""Each failed request is a LogRecord, and few of them are lines."""

import asyncio
import logging

import pytest
from generation import GENERATION, MODEL, Sdk, leaks
from recovering import OLD, Answers, instrument
from steps import LEAKS

from together_otel import TogetherInstrumentor
from together_otel.auth import runtime
from together_otel.guard import Guard
from together_otel.testing import behaviours

pytestmark = LEAKS

EXCEPTION = "gen_ai.client.inference.exception"
FAILED = "together.client.auth_failed"


def records(telemetry, name=EXCEPTION):
    return [log for log in telemetry.logs() if log["event_name"] == name]


def lines(caplog, name=EXCEPTION):
    texts = [record.getMessage() for record in caplog.records]
    return [text for text in texts if text.startswith(f"{name} ")]


def chat(sdk, key):
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        sdk.chat(sdk.client(api_key=key))


def test_record(sdk, key, server, telemetry):
    """It has the exception, redacted, in the context of the call's span."""
    server.always(behaviours.custom(500, {"error": {"message": f"no {key}", "code": "x"}}))
    chat(sdk, key)

    (span,) = [one for one in telemetry.finished_spans() if one.kind.name == "CLIENT"]
    (record,) = records(telemetry)
    found = record["attributes"]
    assert record["severity"] == "WARN"
    assert record["span_id"] == f"{span.context.span_id:016x}"
    assert found["error.type"] == span.attributes["error.type"]
    assert found["exception.type"].startswith("together.")
    assert "[key]" in found["exception.message"]
    assert found["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert "[key]" in found["exception.stacktrace"]
    assert found["gen_ai.operation.name"] == "chat"
    assert "Traceback" not in record["body"]
    assert leaks(telemetry.everything(), key) == []


@pytest.mark.parametrize("ask", ["embeddings", "files"])
def test_record_of_another_operation(ask, sdk, key, server, telemetry):
    """The name is one for all."""
    server.always(behaviours.server_error())
    client = sdk.client(api_key=key)
    asks = {
        "embeddings": lambda: client.embeddings.create(model=MODEL, input="Hello"),
        "files": lambda: client.files.retrieve("file-1"),
    }
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        sdk.run(asks[ask])

    (record,) = records(telemetry)
    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    operation = span["attributes"]["gen_ai.operation.name"]
    assert record["attributes"]["gen_ai.operation.name"] == operation


def test_lines_are_held_back(sdk, key, server, telemetry, caplog, monkeypatch):
    """Of each error type one in the interval, the next with how many were held back."""
    now = 1_000.0
    monkeypatch.setattr(runtime.clocks, "monotonic", lambda: now)
    for behaviour in (*[behaviours.rate_limited()] * 4, behaviours.server_error()):
        server.always(behaviour)
        chat(sdk, key)
    assert len(records(telemetry)) == 5
    first, other = lines(caplog)
    assert "status_code=429" in first
    assert "status_code=500" in other
    assert "suppressed" not in first + other

    now += 60.0
    server.always(behaviours.rate_limited())
    chat(sdk, key)
    *_, last = lines(caplog)
    assert last.endswith(" suppressed=3")
    assert len(records(telemetry)) == 6

    chat(sdk, key)
    TogetherInstrumentor().uninstrument()
    *_, last = lines(caplog)
    assert last.endswith("RateLimitError suppressed=1")
    TogetherInstrumentor().instrument()


def test_a_handler_that_raises_costs_one_line_at_the_exit(sdk, key, server, telemetry, monkeypatch):
    """Of those that were held back each is tried, and nobody is told of an error of ours."""
    monkeypatch.setattr(Guard, "raising", False)
    for behaviour in (behaviours.rate_limited(), behaviours.server_error()):
        server.always(behaviour)
        for _ in range(2):
            chat(sdk, key)
    tried = []

    class Broken(logging.Handler):
        def emit(self, record):
            tried.append(record.getMessage())
            raise LookupError

    logger, broken = logging.getLogger("together_otel"), Broken()
    logger.addHandler(broken)
    try:
        TogetherInstrumentor()._report_held_back()
    finally:
        logger.removeHandler(broken)
    assert sum("suppressed=1" in text for text in tried) == 2
    assert records(telemetry)


def test_authentication_failure(sdk, key, server, telemetry, caplog):
    """It has both LogRecords, and the line that names the cause."""
    server.revoke(key)
    chat(sdk, key)

    (record,) = records(telemetry)
    assert record["attributes"]["together.request.outcome"] == "auth_failure"
    assert record["attributes"]["http.response.status_code"] == 401
    assert len(records(telemetry, FAILED)) == len(lines(caplog, FAILED)) == 1
    assert lines(caplog) == []


def test_recovered_failure(lab):
    """The attempt that failed has its LogRecord; auth_failed is a WARNING then."""
    instrument(lab.telemetry, Answers(lab.key))
    lab.sdk.chat(lab.sdk.client(api_key=OLD))

    (failed,) = records(lab.telemetry, FAILED)
    assert failed["severity"] == "WARN"
    assert failed["attributes"]["together.recovery.outcome"] == "recovered"
    assert len(records(lab.telemetry)) == 1
    (recovered,) = records(lab.telemetry, "together.client.key_recovered")
    assert recovered["severity"] == "WARN"


@pytest.mark.skipif(
    GENERATION < 2, reason="1.x raises nothing of its own in the middle of a stream"
)
def test_refusal_in_a_stream_beside_recovery(lab):
    """What is refused once the call has returned is logged all the same."""
    instrument(lab.telemetry, Answers(lab.key))
    lab.server.always(behaviours.error_frame(code="invalid_api_key"))
    stream = lab.sdk.chat(lab.sdk.client(api_key=lab.key), stream=True)
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        lab.sdk.read(stream)

    assert len(records(lab.telemetry, FAILED)) == 1
    assert len(records(lab.telemetry)) == 1


def test_cancelled(key, server, telemetry, caplog):
    """What the application does itself is no failure of the request."""
    server.always(behaviours.slow(30.0))
    sdk = Sdk(server, is_async=True)
    client = sdk.client(api_key=key)

    async def cancelled():
        task = asyncio.ensure_future(
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "?"}])
        )
        await asyncio.to_thread(server.wait_for, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with caplog.at_level(logging.DEBUG, "together_otel"):
        sdk.run(cancelled)
    server.release()
    sdk.close()

    assert records(telemetry) == lines(caplog) == []
