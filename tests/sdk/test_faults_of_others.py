"""Faults that were measured in other instrumentations of `together`, each shown not to be ours.

Held by other tests:

- spans never ended on cancellation or Ctrl-C: ``test_stream_failures``; of a stream never iterated
  or left early: ``test_stream_exits``; of a raw one: ``test_raw_responses``
- `isinstance(stream, Stream)` broken: ``test_streams``, ``test_raw_responses``
- `suppress_instrumentation` ignored: ``test_neighbours_choices``
- `uninstrument()` that leaves the wrapper: ``test_transparency``
- "Failed to detach context": ``test_stream_exits``, ``test_stream_failures``
- the key leaked through `exception.stacktrace`: ``test_causes``
"""

import inspect
import json
import re
import traceback

import pytest
from generation import GENERATION, MESSAGES, MODEL
from steps import chat, each, got, tell

from together_otel import TogetherInstrumentor
from together_otel.clients.generated import Generated
from together_otel.clients.together_v1 import TogetherV1
from together_otel.guard import Guard
from together_otel.testing import behaviours
from together_otel.testing.exchange import DONE, frame_of

NUMBER = re.compile(r"(gen|req)-\d+")
"""What the server numbers."""


def with_us_and_without(observe):
    """Return what the application observes with the instrumentation, which is on, and without."""
    with_us = observe()
    TogetherInstrumentor().uninstrument()
    return with_us, observe()


# ── an async stream turned into a coroutine ──────────────────────────────────────────


def test_an_async_stream_is_no_coroutine(
    sdk,
    key,
    telemetry,  # noqa: ARG001 - on
):
    """What is to be awaited is awaited once, as ever, and what comes of it is gone through."""
    client = sdk.client(api_key=key)

    async def story():
        asked = client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        stream = await got(asked)
        kinds = (type(asked), inspect.isawaitable(asked), type(stream), inspect.isawaitable(stream))
        return *kinds, len([chunk async for chunk in each(stream)])

    with_us, without = with_us_and_without(lambda: tell(sdk, story))
    assert with_us == without
    assert with_us[3] is False
    assert with_us[4] > 2


# ── the application's own TypeError replaced ─────────────────────────────────────────


@pytest.mark.parametrize(
    "mistake",
    [
        pytest.param(lambda client: client.models.list(nonsense=1), id="unknown argument"),
        pytest.param(lambda client: client.chat.completions.create(), id="missing arguments"),
        pytest.param(lambda client: client.files.retrieve(1, 2, 3), id="too many arguments"),
        pytest.param(
            lambda client: client.post("/x", cast_to=object, body={"odd": object()}),
            id="a body that is no JSON",
            marks=pytest.mark.skipif(GENERATION == 1, reason="1.x has no method of that kind"),
        ),
    ],
)
def test_a_type_error_is_the_applications_own(
    mistake,
    sdk,
    key,
    server,
    telemetry,  # noqa: ARG001 - on
):
    """The same words, from the same place."""
    client = sdk.client(api_key=key)

    def observe():
        with pytest.raises(TypeError) as caught:
            sdk.run(lambda: mistake(client))
        origin = traceback.extract_tb(caught.value.__traceback__)[-1]
        exc = caught.value
        return type(exc), str(exc), origin.filename, origin.lineno, exc.__cause__, exc.__context__

    with_us, without = with_us_and_without(observe)
    assert with_us == without
    assert server.requests == []


def test_a_type_error_of_a_constructor_is_the_applications_own(sdk, telemetry):
    """And no refusal of a key."""

    def observe():
        with pytest.raises(TypeError) as caught:
            sdk.client_class(nonsense=1)
        return str(caught.value)

    with_us, without = with_us_and_without(observe)
    assert with_us == without
    assert telemetry.spans() == []
    assert telemetry.counter("together.client.auth.failures") == 0


# ── an error in reading a response raised into the application ───────────────────────

ODD = {
    "null": None,
    "true": True,
    "a number": 17,
    "a text": "Hello",
    "an empty list": [],
    "a list": [[], {}, None, "x"],
    "nothing in it": {},
    "no field of its type": {"id": ["x"], "model": {"a": 1}, "choices": 3, "usage": "many"},
    "lists and mappings exchanged": {"choices": {"0": {}}, "usage": [1, 2]},
    "choices of all kinds": {"choices": [None, 3, "x", [], {"message": 7, "delta": "x"}]},
    "odd reasons": {"choices": [{"finish_reason": {"a": 1}, "index": "x"}, {"finish_reason": []}]},
    "tokens of all kinds": {"usage": {"prompt_tokens": "three", "completion_tokens": {"n": 3}}},
    "odd numbers of tokens": {"usage": {"prompt_tokens": -5, "completion_tokens": 10**30}},
    "odd details of tokens": {"usage": {"prompt_tokens_details": "x", "cached_tokens": []}},
    "an odd error": {"error": 5},
}
"""Answers that no model of the SDK's expects."""


SDKS_OWN = {
    "of a raw response": {"http_response": "x"},
    "of a stream": {"response": 1, "_iterator": 2},
}
"""Answers with fields that are named as attributes of the SDK's own objects."""


async def observed(call):
    """Return what the application gets, or what is raised."""
    try:
        answer = await got(call())
        if hasattr(answer, "__next__") or hasattr(answer, "__anext__"):
            return type(answer), str([chunk async for chunk in each(answer)])
        return type(answer), str(answer)
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is to be the same
        return type(exc), str(exc)


def answering(body, *, stream):
    """Answer with this, or with a stream of which this is the only chunk."""
    if stream:
        return behaviours.custom(200, frame_of(body) + DONE, content_type="text/event-stream")
    return behaviours.custom(200, json.dumps(body), content_type="application/json")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("bodies", [ODD, SDKS_OWN], ids=["odd", "sdk's own"])
def test_an_odd_answer_is_no_error_of_ours(bodies, stream, sdk, key, server, telemetry):
    """The application gets what it would get without us; we stumble over nothing in it."""
    client = sdk.client(api_key=key)

    async def story():
        server.script(*(answering(body, stream=stream) for body in bodies.values()))
        return {title: await observed(lambda: chat(client, stream=stream)) for title in bodies}

    with_us = tell(sdk, story)
    assert telemetry.counter("together.client.telemetry.errors") == 0
    assert telemetry.counter("together.client.requests") == len(bodies)
    assert len([span for span in telemetry.spans() if span["kind"] == "CLIENT"]) == len(bodies)
    TogetherInstrumentor().uninstrument()
    assert tell(sdk, story) == with_us


@pytest.mark.parametrize("part", ["result", "answer", "stream_of", "failure_in", "failure"])
@pytest.mark.parametrize("kind", ["whole", "stream", "refused"])
def test_an_error_of_ours_in_reading_is_not_raised(
    kind, part, sdk, key, server, telemetry, monkeypatch
):
    """In production: the answer was paid for, and is handed on; the span is ended all the same."""
    monkeypatch.setattr(Guard, "raising", False)

    def broken(*_):
        raise ZeroDivisionError

    client = sdk.client(api_key=key)
    if kind == "refused":
        server.revoke(key)

    async def story():
        return await observed(lambda: chat(client, stream=kind == "stream"))

    with monkeypatch.context() as patch:
        for adapter in (Generated, TogetherV1):
            patch.setattr(adapter, part, broken)
        with_us = tell(sdk, story)
    ended = [span["name"] for span in telemetry.spans() if span["kind"] == "CLIENT"]
    TogetherInstrumentor().uninstrument()
    without = tell(sdk, story)

    assert with_us[0] is without[0]
    assert NUMBER.sub("", with_us[1]) == NUMBER.sub("", without[1])
    assert ended == [f"chat {MODEL}"]


# ── histograms ───────────────────────────────────────────────────────────────────────


def histograms(telemetry):
    """Return the points of all histograms, as OpenTelemetry has them."""
    return {
        metric.name: list(metric.data.data_points)
        for scope in telemetry._scopes()
        for metric in scope.metrics
        if hasattr(metric.data.data_points[0], "explicit_bounds")
    }


def test_seconds_are_not_in_default_buckets(sdk, key, telemetry):
    """The boundaries that the SDK really uses are the contract's."""
    sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))

    seconds = tuple(0.01 * 2**i for i in range(14))
    tokens = tuple(4**i for i in range(14))
    bounds = {
        name: {tuple(point.explicit_bounds) for point in points}
        for name, points in histograms(telemetry).items()
    }
    assert bounds == {
        "gen_ai.client.inference.duration": {seconds},
        "gen_ai.client.inference.time_to_first_chunk": {seconds},
        "together.client.stream.mean_time_per_output_chunk": {seconds},
        "gen_ai.client.inference.operation.input_tokens": {tokens},
        "gen_ai.client.inference.operation.output_tokens": {tokens},
    }


@pytest.mark.parametrize("count", [2, 200])
def test_chunks_are_not_recorded_one_by_one(count, sdk, key, server, telemetry):
    """However long a stream is, each of its histograms gets one record."""
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
    chunk = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    frame = frame_of(chunk | {"choices": [choice], "usage": usage})
    server.always(behaviours.custom(200, frame * count + DONE, content_type="text/event-stream"))
    assert len(sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))) == count

    records = {
        name: [point.count for point in points] for name, points in histograms(telemetry).items()
    }
    assert records == {
        "gen_ai.client.inference.duration": [1],
        "gen_ai.client.inference.time_to_first_chunk": [1],
        "together.client.stream.mean_time_per_output_chunk": [1],
        "gen_ai.client.inference.operation.input_tokens": [1],
        "gen_ai.client.inference.operation.output_tokens": [1],
    }
