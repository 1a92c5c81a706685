"""The application gets exactly what the SDK gives, and never notices us."""

import contextlib
import copy
import importlib
import inspect
import json
import pickle
import traceback
from contextlib import suppress
from unittest import mock

import pytest
from frames import frames_of_ours, named_by, passed_by, shown_by
from generation import GENERATION, MESSAGES, MODEL, leaks, made_up_key
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from together_otel import TogetherInstrumentor
from together_otel.calls.targets import TARGETS
from together_otel.guard import Guard
from together_otel.telemetry.metrics import Metrics
from together_otel.telemetry.recorder import Recorder
from together_otel.testing import behaviours
from together_otel.testing.telemetry import CapturedTelemetry


def patched():
    """Return what stands now in each patched place of the installed SDK."""
    found = {}
    for target in TARGETS:
        try:
            module = importlib.import_module(target.module)
        except ModuleNotFoundError:
            continue
        class_name, _, name = target.attribute.partition(".")
        owner = getattr(module, class_name, None)
        if owner is not None and name in vars(owner):
            found[f"{target.module}:{target.attribute}"] = vars(owner)[name]
    return found


def test_uninstrument_puts_every_original_back():
    """Any number of times, every patched attribute is the original object afterwards."""
    originals = patched()
    assert len(originals) >= 6
    for _ in range(3):
        TogetherInstrumentor().instrument()
        assert all(patched()[name] is not original for name, original in originals.items())
        TogetherInstrumentor().uninstrument()
        now = patched()
        assert all(now[name] is original for name, original in originals.items())


def test_a_patch_that_a_mock_puts_back_is_taken_off_the_next_time():
    """What has replaced it is undone after the instrumentation is."""
    originals = patched()
    place, original = next(iter(originals.items()))
    module, class_name, name = place.replace(":", ".").rsplit(".", 2)
    owner = getattr(importlib.import_module(module), class_name)
    TogetherInstrumentor().instrument()
    with mock.patch.object(owner, name):
        TogetherInstrumentor().uninstrument()
    assert patched()[place] is not original
    TogetherInstrumentor().instrument()
    TogetherInstrumentor().uninstrument()
    assert patched()[place] is original


def test_clients_work_on_after_uninstrument(sdk, key, telemetry):
    """A client and a bound method taken while it was on go on working, in silence."""
    client = sdk.client(api_key=key)
    create = client.chat.completions.create
    stream = sdk.chat(client, stream=True)
    TogetherInstrumentor().uninstrument()
    before = len(telemetry.spans())

    sdk.chat(client)
    sdk.run(lambda: create(model=MODEL, messages=MESSAGES))
    assert len(telemetry.spans()) == before
    assert len(sdk.read(stream)) > 2

    TogetherInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)
    sdk.chat(client)
    assert len(telemetry.spans()) > before


def test_client_made_before_instrument(sdk, key):
    """A client older than the instrumentation is seen as well."""
    client = sdk.client(api_key=key)
    sdk.chat(client)
    captured = CapturedTelemetry()
    TogetherInstrumentor().instrument(
        tracer_provider=captured.tracer_provider, meter_provider=captured.meter_provider
    )
    try:
        sdk.chat(client)
        assert [span["name"] for span in captured.spans()] == [f"chat {MODEL}"]
    finally:
        TogetherInstrumentor().uninstrument()
        captured.shutdown()


def test_same_results_and_exceptions(sdk, key, server, telemetry):
    """Types of results, and class, text and arguments of exceptions, are the bare SDK's."""

    def observe():
        server.accept(key)
        client = sdk.client(api_key=key)
        answer = sdk.chat(client)
        server.revoke(key)
        with pytest.raises(Exception, match="Invalid API key") as caught:
            sdk.chat(client)
        exc = caught.value
        assert exc.__traceback__ is not None
        frames = [frame.name for frame in traceback.extract_tb(exc.__traceback__)]
        ours = ("wrapper", "patched", "__exit__", "returned")
        return (
            type(answer),
            type(exc),
            str(exc),
            type(exc.__cause__),
            exc.__suppress_context__,
            sorted(vars(exc)),
            [name for name in frames if name not in ours],
            sorted(vars(client)),
        )

    with_us = observe()
    TogetherInstrumentor().uninstrument()
    assert observe() == with_us
    TogetherInstrumentor().instrument(tracer_provider=telemetry.tracer_provider)


def test_signatures_and_copies(sdk, key, telemetry):  # noqa: ARG001 - on
    """Constructors still show their parameters; clients can be copied as before."""
    assert "api_key" in inspect.signature(sdk.client_class).parameters
    client = sdk.client(api_key=key)
    again = copy.copy(client)
    assert type(again) is type(client)
    if GENERATION == 1:
        assert pickle.loads(pickle.dumps(client.client)) == client.client  # noqa: S301 - made here
    else:
        assert client.with_options(timeout=3.0).api_key == key


def test_our_own_error_is_swallowed_counted_and_logged_once(
    sdk, key, telemetry, monkeypatch, caplog
):
    """What breaks in our code stays ours: the application has its answer."""
    monkeypatch.setattr(Guard, "raising", False)

    def broken(*_):
        raise ZeroDivisionError(key)

    monkeypatch.setattr(Recorder, "record", broken)
    client = sdk.client(api_key=key)
    for _ in range(2):
        assert sdk.chat(client).choices

    errors = telemetry.counter(
        "together.client.telemetry.errors", {"together.telemetry.stage": "finish"}
    )
    assert errors == 2
    told = [record for record in caplog.records if record.name == "together_otel.internal"]
    assert len(told) == 1
    assert "ZeroDivisionError" in told[0].getMessage()
    assert leaks(told[0].getMessage(), key) == []
    assert [span for span in telemetry.spans() if span["kind"] == "CLIENT"]


def test_a_call_that_cannot_be_described_is_still_made(sdk, key, telemetry, monkeypatch):
    """An error before the request is no reason not to send it."""
    monkeypatch.setattr(Guard, "raising", False)
    monkeypatch.setattr(Metrics, "recorder", lambda *_: 1 / 0)

    assert sdk.chat(sdk.client(api_key=key)).choices
    assert telemetry.counter("together.client.telemetry.errors") >= 1


def test_span_is_current_while_the_sdk_works(sdk, key, telemetry):
    """The caller's span is our parent, and is current again afterwards."""
    tracer = telemetry.tracer_provider.get_tracer("test")
    client = sdk.client(api_key=key)
    with tracer.start_as_current_span("caller") as caller:
        stream = sdk.chat(client, stream=True)
        assert trace.get_current_span() is caller
        sdk.read(stream)
        assert trace.get_current_span() is caller

    call = next(span for span in telemetry.finished_spans() if span.name.startswith("chat"))
    assert call.parent is not None
    assert call.parent.span_id == caller.get_span_context().span_id


def test_retries_are_one_call(sdk, key, server, telemetry):
    """The SDK's retries are counted, in one span of one request."""
    server.script(behaviours.server_error(), behaviours.server_error())
    if sdk.is_async and GENERATION == 1:
        pytest.skip("async 1.x does not retry")
    sdk.chat(sdk.client(api_key=key, max_retries=2))

    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["attributes"]["http.request.resend_count"] == 2
    assert telemetry.counter("together.client.retries", {"gen_ai.operation.name": "chat"}) == 2
    assert telemetry.counter("together.client.requests") == 1


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (behaviours.rate_limited(), "rate_limited"),
        (behaviours.server_error(503), "server_error"),
        (behaviours.payment_required(), "payment_required"),
        (behaviours.drop_connection(), "connection_error"),
    ],
    ids=["429", "503", "402", "dropped"],
)
def test_other_failures(behaviour, outcome, sdk, key, server, telemetry):
    """Another failure has its outcome and one warning, and is no auth failure."""
    server.always(behaviour)
    with pytest.raises(Exception):  # noqa: B017, PT011 - the class differs by generation
        sdk.chat(sdk.client(api_key=key))

    (span,) = [one for one in telemetry.spans() if one["kind"] == "CLIENT"]
    assert span["status"] == "ERROR"
    assert span["attributes"]["together.request.outcome"] == outcome
    (event,) = [log for log in telemetry.logs() if (log["event_name"] or "").endswith("exception")]
    assert event["severity"].startswith("WARN")
    assert event["trace_id"]
    assert telemetry.counter("together.client.auth.failures") == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_recovery_is_told(stream, sdk, server, key, telemetry):
    """The report's workaround: catch the error, get a valid key at run time, go on."""
    client = sdk.client(api_key=made_up_key("Q"))
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.chat(client)
    if GENERATION == 1:
        client.client.api_key = key
    else:
        client.api_key = key
    answer = sdk.chat(client, stream=stream)
    assert sdk.read(answer) if stream else answer.choices

    (event,) = [
        log for log in telemetry.logs() if log["event_name"] == "together.client.auth_recovered"
    ]
    assert event["attributes"]["together.auth.failed_for"] >= 0
    assert event["attributes"]["together.client.library"] == "together"
    context = telemetry.finished_spans()[-1].context
    assert event["span_id"] == f"{context.span_id:016x}", "of the call that was accepted"
    assert server.requests[-1].model == MODEL


def test_repeated_failures_are_logged_once_but_counted_all(sdk, server, key, telemetry):
    """One event a key and cause in the interval; the counter misses none."""
    server.revoke(key)
    client = sdk.client(api_key=key)
    for _ in range(5):
        with pytest.raises(Exception, match="Invalid API key"):
            sdk.chat(client)

    failed = [log for log in telemetry.logs() if log["event_name"].endswith("auth_failed")]
    assert len(failed) == 1
    assert telemetry.counter("together.client.auth.failures") == 5


def test_constructor_tells_each_finding_once(sdk, key, telemetry):
    """The same key again, or a copy of the client, is counted but not told again."""
    for _ in range(3):
        made = sdk.client(api_key=key)
    if GENERATION > 1:
        made.with_options(max_retries=1)

    checked = [log for log in telemetry.logs() if log["event_name"].endswith("key_checked")]
    assert len(checked) == 1
    assert [span["name"] for span in telemetry.spans()] == ["together.client.init"]
    assert telemetry.counter("together.client.key.checks") == 3 + (GENERATION > 1)


@pytest.mark.parametrize("way", ["accepted", "refused", "streamed", "unsendable"])
def test_no_frame_of_ours_shows_a_key(sdk, server, key, telemetry, way):
    """While the SDK or what is beneath it logs, as well as while we do."""
    if way == "refused":
        server.revoke(key)
    with frames_of_ours() as shown, suppress(Exception):
        client = sdk.client(api_key=key + "\n" * (way == "unsendable"))
        sdk.read(sdk.chat(client, stream=way == "streamed"))
    assert telemetry.spans()
    assert shown
    assert leaks("\n".join(shown), key) == []


@pytest.mark.parametrize("way", ["constructor", "refused", "suppressed"])
def test_no_line_of_ours_names_a_key(sdk, server, key, telemetry, way):  # noqa: ARG001 - on
    """Some loggers show the values of the line that a frame is at, attributes included."""
    server.revoke(key)
    around = suppress_instrumentation if way == "suppressed" else contextlib.nullcontext
    given, asked = (
        {"nonsense": True} if way == "constructor" else {},
        {"role": "user", "content": key},
    )
    with around(), pytest.raises(Exception, match=r"key|nonsense") as raised:
        sdk.chat(sdk.client(api_key=key, **given), messages=[asked])
    assert passed_by(raised.value)
    assert leaks("\n".join(named_by(raised.value)), key) == []


def test_what_a_server_repeats_is_in_no_frame_of_ours(sdk, server, key, telemetry):  # noqa: ARG001 - on
    """Neither while the next chunk is waited for nor when that fails."""
    said = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": key}}]}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **said}
    frames = [f"data: {json.dumps(chunk)}\n\n"] * 3
    frames.append('data: {"error": {"message": "Overloaded", "type": "server_error"}}\n\n')
    server.always(behaviours.custom(200, "".join(frames), content_type="text/event-stream"))
    stream, raised = sdk.chat(sdk.client(api_key=key), stream=True), None
    with frames_of_ours() as shown:
        try:
            sdk.read(stream)
        except Exception as exc:  # noqa: BLE001 - 1.x yields it
            raised = exc
    shown += [] if raised is None else shown_by(raised)
    assert shown or GENERATION == 1
    assert leaks("\n".join(shown), key) == []
