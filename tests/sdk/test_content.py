"""What was said, on spans, in events, in both or, unless asked for, nowhere."""

import io
import logging

import pytest
from capturing import (
    CAPTURE,
    INPUTS,
    OUTPUTS,
    content,
    events,
    parsed,
    reply,
    structured,
    text,
    user,
)
from dirty_equals import IsInt, IsPartialDict
from generation import MODEL, leaks
from opentelemetry import trace
from reported import call

from together_otel import TogetherInstrumentor
from together_otel.clients import messages
from together_otel.testing import behaviours
from together_otel.testing.answers import REPLY

SAID = "What was said"
ASK = [{"role": "user", "content": SAID}]

NOWHERE = ("NO_CONTENT", "", "false", "SPAN_AND_EVENTS", "no_content")
ON_SPANS = ("SPAN_ONLY", "span_only", "SPAN_AND_EVENT", " Span_And_Event ")
IN_EVENTS = ("EVENT_ONLY", "event_only", "true", "True", "SPAN_AND_EVENT", " Span_And_Event ")
MODES = dict.fromkeys((*NOWHERE, *ON_SPANS, *IN_EVENTS))


@pytest.fixture
def mode():
    """What the variable is set to; ``None`` leaves it unset."""
    return "SPAN_AND_EVENT"


@pytest.fixture(autouse=True)
def _capturing(mode, monkeypatch):
    if mode is None:
        monkeypatch.delenv(CAPTURE, raising=False)
    else:
        monkeypatch.setenv(CAPTURE, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_content_is_where_it_was_asked_for_and_nowhere_else(mode, stream, sdk, key, telemetry):
    """`true` and `false` of older conventions included; what is not understood captures nothing."""
    answer = sdk.chat(sdk.client(api_key=key), messages=ASK, stream=stream)
    if stream:
        sdk.read(answer)

    said = {INPUTS: [user(text(SAID))], OUTPUTS: [reply(text(REPLY))]}
    on_span, in_events = parsed(call(telemetry)), events(telemetry)
    assert on_span == (said if mode in ON_SPANS else {})
    assert [structured(event["attributes"]) for event in in_events] == (
        [said] if mode in IN_EVENTS else []
    )
    copies = (mode in ON_SPANS) + (mode in IN_EVENTS)
    assert telemetry.everything().count(SAID) == copies
    assert telemetry.everything().count(REPLY) == copies


@pytest.mark.parametrize("mode", [None])
def test_nothing_is_captured_unless_asked_for(sdk, key, telemetry):
    sdk.chat(sdk.client(api_key=key), messages=ASK)

    assert parsed(call(telemetry)) == {}
    assert events(telemetry) == []
    assert SAID not in telemetry.everything()


def test_a_mode_that_is_not_understood_is_warned_of(monkeypatch, caplog):
    monkeypatch.setenv(CAPTURE, "everything")
    TogetherInstrumentor().instrument()
    TogetherInstrumentor().uninstrument()

    (warning,) = [record for record in caplog.records if CAPTURE in record.getMessage()]
    assert "NO_CONTENT, SPAN_ONLY, EVENT_ONLY, SPAN_AND_EVENT" in warning.getMessage()


def test_event(sdk, key, telemetry):
    """It has the call's facts and its span's context; its text does not repeat what was said."""
    sdk.chat(sdk.client(api_key=key), messages=ASK, temperature=0.5)

    (span,) = [one for one in telemetry.finished_spans() if one.kind.name == "CLIENT"]
    (event,) = events(telemetry)
    assert event["trace_id"] == f"{span.context.trace_id:032x}"
    assert event["span_id"] == f"{span.context.span_id:016x}"
    assert event["severity"] == "DEBUG"
    assert event["attributes"] == IsPartialDict(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "together",
            "together.client.library": "together",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": MODEL,
            "gen_ai.response.id": "gen-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 6,
            "server.address": "127.0.0.1",
            "server.port": IsInt,
        }
    )
    assert event["body"].startswith("gen_ai.client.inference.operation.details ")
    assert SAID not in event["body"]
    assert REPLY not in event["body"]


def test_event_as_a_line_of_text(sdk, key, telemetry):
    """A logger at DEBUG prints one line of it, without what was said."""
    del telemetry
    lines = io.StringIO()
    logger = logging.getLogger("together_otel")
    logger.setLevel(logging.DEBUG)
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    try:
        sdk.chat(sdk.client(api_key=key), messages=[{"role": "user", "content": "100 % %s %(x)s"}])
    finally:
        logger.removeHandler(handler)

    (line,) = [one for one in lines.getvalue().splitlines() if "operation.details" in one]
    assert line.startswith("DEBUG together_otel gen_ai.client.inference.operation.details ")
    assert "100 %" not in line


@pytest.fixture
def unsampled(telemetry):
    """A caller's trace that is not sampled: its spans are not recorded."""
    caller = trace.SpanContext(trace_id=1, span_id=2, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(caller)):
        yield telemetry


@pytest.mark.parametrize("mode", ["EVENT_ONLY", "SPAN_AND_EVENT"])
def test_event_of_an_unsampled_span(sdk, key, unsampled):
    """Events are sampled by none but their own pipeline."""
    sdk.chat(sdk.client(api_key=key), messages=ASK)

    assert unsampled.spans() == []
    (event,) = events(unsampled)
    assert structured(event["attributes"])[INPUTS] == [user(text(SAID))]
    assert int(event["trace_id"], 16) == 1
    assert int(event["span_id"], 16) not in {0, 2}


@pytest.mark.parametrize("mode", ["SPAN_ONLY"])
def test_nothing_is_gathered_for_an_unsampled_span(sdk, key, unsampled, monkeypatch):
    gathered = []
    monkeypatch.setattr(messages, "Messages", lambda *said: gathered.append(said))
    sdk.chat(sdk.client(api_key=key), messages=ASK)

    assert gathered == []
    assert events(unsampled) == []


def test_refused(sdk, key, server, telemetry):
    """Of a call whose key is refused there is what was asked, and everything that failed."""
    server.revoke(key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(sdk.client(api_key=key), messages=ASK)

    assert content(telemetry) == {INPUTS: [user(text(SAID))]}
    assert call(telemetry)["together.auth.cause"] == "rejected"
    (event,) = events(telemetry)
    assert event["attributes"]["error.type"] == call(telemetry)["error.type"]
    assert event["attributes"]["http.response.status_code"] == 401
    assert [log["event_name"] for log in telemetry.logs()].count("together.client.auth_failed") == 1
    assert leaks(telemetry.everything(), key) == []


def test_connection_error(sdk, key, server, telemetry):
    server.always(behaviours.drop_connection())
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        sdk.chat(sdk.client(api_key=key), messages=ASK)

    assert content(telemetry) == {INPUTS: [user(text(SAID))]}
    assert call(telemetry)["together.request.outcome"] == "connection_error"
