"""What a stream's span and metrics tell.

How it ends: ``test_stream_exits``, ``test_stream_failures``, ``test_stream_ownership``. What was said in it:
``test_content_streams``.
"""

import time

import pytest
from dirty_equals import IsFloat
from generation import GENERATION, MODEL
from steps import LEAKS, chat, close, only_call, step, tell

from together_otel.plain import clocks
from together_otel.testing import behaviours
from together_otel.testing.exchange import DONE, frame_of

pytestmark = LEAKS

GENERATED_CLIENTS = pytest.mark.skipif(GENERATION < 2, reason="1.x streams are plain generators")
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock that calls are timed by."""
    made = Clock()
    monkeypatch.setattr(clocks, "perf_counter", made)
    return made


def choice(index=0, finish_reason=None, **delta):
    """Return what a chunk says of one choice."""
    delta = {"role": "assistant", "content": "Hi", **delta}
    return {"index": index, "delta": delta, "finish_reason": finish_reason}


def chunk(*choices, **more):
    """Return a chunk of a chat."""
    envelope = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return {**envelope, "choices": list(choices), **more}


def streamed(*chunks):
    """Answer with these chunks."""
    body = b"".join(map(frame_of, chunks)) + DONE
    return behaviours.custom(200, body, content_type="text/event-stream")


def read(sdk, key, server, telemetry, *chunks):
    """Read a stream of these chunks to its end; return what its call tells."""
    server.always(streamed(*chunks))
    assert len(sdk.read(sdk.chat(sdk.client(api_key=key), stream=True))) == len(chunks)
    return only_call(telemetry)


def records(telemetry, name):
    """Return count and sum of a histogram's points."""
    points = telemetry.metrics().get(f"gen_ai.client.{name}", ())
    return [(point["count"], point["sum"]) for point in points]


def means(telemetry):
    """Return count and sum of the mean times between chunks."""
    points = telemetry.metrics().get("together.client.stream.mean_time_per_output_chunk", ())
    return [(point["count"], point["sum"]) for point in points]


def test_times(sdk, key, telemetry, clock):
    """From the request to the first chunk, the mean from one to the next, and until the end."""
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    pauses = (2, 0.25, 0.5, 0.75, 0.5, 0.25, 0.75)
    for pause in pauses:
        clock.now += pause
        sdk.run(lambda: (anext if sdk.is_async else next)(stream))
    clock.now += 0.5
    assert records(telemetry, "inference.duration") == []
    assert sdk.read(stream) == []

    assert only_call(telemetry)["gen_ai.response.time_to_first_chunk"] == 2
    assert records(telemetry, "inference.time_to_first_chunk") == [(1, 2)]
    assert means(telemetry) == [(1, sum(pauses[1:]) / 6)]
    assert records(telemetry, "inference.duration") == [(1, sum(pauses) + 0.5)]


def test_a_single_chunk_has_no_time_per_chunk(sdk, key, server, telemetry):
    read(sdk, key, server, telemetry, chunk(choice(0, "stop"), usage=USAGE))
    assert records(telemetry, "inference.time_to_first_chunk") == [(1, IsFloat(gt=0))]
    assert means(telemetry) == []


def test_an_empty_stream_has_no_first_chunk(sdk, key, server, telemetry):
    attributes = read(sdk, key, server, telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert "gen_ai.response.time_to_first_chunk" not in attributes
    assert records(telemetry, "inference.time_to_first_chunk") == []


def test_span_lasts_as_long_as_the_stream(sdk, key, telemetry):
    """It is of the span under which it was asked for, whoever reads it, and ends when that does."""
    tracer = telemetry.tracer_provider.get_tracer("application")
    client = sdk.client(api_key=key)
    with tracer.start_as_current_span("asking") as asking:
        stream = sdk.chat(client, stream=True)
    before = time.time_ns()
    with tracer.start_as_current_span("reading"):
        sdk.read(stream)

    (span,) = [one for one in telemetry.finished_spans() if one.name.startswith("chat")]
    assert span.parent == asking.get_span_context()
    assert (span.start_time or 0) < before < (span.end_time or 0)


@pytest.mark.parametrize(
    ("last", "used"),
    [
        ([chunk(choice(0, "stop"), usage=USAGE)], [10, 20]),
        ([chunk(choice(0, "stop")), chunk(usage=USAGE)], [10, 20]),
        (
            [
                chunk(choice(), usage={**USAGE, "completion_tokens": 1}),
                chunk(choice(0, "stop"), usage=USAGE),
            ],
            [10, 20],
        ),
        ([chunk(choice(0, "stop"), usage=None)], []),
    ],
    ids=["beside the reason", "after the reason", "in every chunk", "nowhere"],
)
def test_usage(last, used, sdk, key, server, telemetry):
    """Tokens are those of the last chunk that tells of any, recorded once a stream."""
    attributes = read(sdk, key, server, telemetry, chunk(choice()), *last)

    kinds = ("input", "output")
    found = [attributes.get(f"gen_ai.usage.{kind}_tokens") for kind in kinds]
    assert found == (used or [None, None])
    for kind, count in zip(kinds, used, strict=False):
        assert records(telemetry, f"inference.operation.{kind}_tokens") == [(1, count)]
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]


def test_usage_of_a_stream_left_early(sdk, key, server, telemetry):
    """What was told until then counts, as it is paid for."""
    server.always(streamed(chunk(choice(), usage=USAGE), chunk(choice(0, "stop"))))
    client = sdk.client(api_key=key)

    async def story():
        stream = await chat(client, stream=True)
        await step(stream)
        await close(stream)

    tell(sdk, story)
    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "abandoned"
    assert attributes["gen_ai.usage.output_tokens"] == 20
    assert attributes["gen_ai.response.finish_reasons"] == ["error"]


@pytest.mark.parametrize(
    ("chunks", "reasons"),
    [
        pytest.param([chunk(choice(0)), chunk(choice(0))], ["error"], id="none"),
        pytest.param([chunk(choice(0)), chunk(choice(0, "length"))], ["length"], id="length"),
        pytest.param([chunk(choice(0, "tool_calls"))], ["tool_calls"], id="tool calls"),
        pytest.param(
            [chunk(choice(0), choice(1)), chunk(choice(0, "stop"), choice(1, "length"))],
            ["stop", "length"],
            id="two choices at once",
        ),
        pytest.param(
            [chunk(choice(1, "length"), choice(0, "stop"))],
            ["stop", "length"],
            id="two choices the other way round",
        ),
        pytest.param(
            [chunk(choice(0)), chunk(choice(1)), chunk(choice(2, "stop"))],
            ["error", "error", "stop"],
            id="the last one only",
        ),
        pytest.param(
            [chunk(choice(0)), chunk(choice(0)), chunk(choice(1)), chunk(choice(0, "stop"))],
            ["stop", "error"],
            id="a later one never",
        ),
        pytest.param(
            [chunk(choice(0)), chunk(choice(0, "stop")), chunk(choice(1, "length"))],
            ["stop", "length"],
            id="two choices in turn",
        ),
        pytest.param(
            [chunk(choice(0)), chunk(choice(1, "length")), chunk(choice(0, "stop"))],
            ["stop", "length"],
            id="the second choice first",
        ),
        pytest.param(
            [chunk(choice(0, "stop")), chunk(choice(0, "stop"), usage=USAGE)],
            ["stop"],
            id="said twice",
        ),
        pytest.param([chunk(choice(0, "")), chunk(choice(0, "stop"))], ["stop"], id="empty before"),
    ],
)
def test_finish_reasons(chunks, reasons, sdk, key, server, telemetry):
    """One a choice, in the order of the choices, whenever it was said; `error` for none."""
    attributes = read(sdk, key, server, telemetry, *chunks)
    assert attributes.get("gen_ai.response.finish_reasons") == reasons


def test_tool_calls(sdk, key, telemetry):
    """A stream that ends in the wish for a tool says so, and nothing of the tool."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
    stream = sdk.chat(sdk.client(api_key=key), stream=True, tools=[tool])
    assert sdk.read(stream)[-1].choices[0].finish_reason == "tool_calls"

    assert only_call(telemetry)["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert "look_up" not in telemetry.everything()


def test_reasoning(sdk, key, server, telemetry, clock):
    """The first chunk is the first, though the model only thinks; thinking has its own tokens."""
    details = {"completion_tokens_details": {"reasoning_tokens": 15}}
    thought = chunk(choice(content=None, reasoning="Hm."))
    server.always(streamed(thought, chunk(choice(0, "stop"), usage=USAGE | details)))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    for _ in range(2):
        clock.now += 1
        sdk.run(lambda: (anext if sdk.is_async else next)(stream))
    assert sdk.read(stream) == []

    attributes = only_call(telemetry)
    assert attributes["gen_ai.response.time_to_first_chunk"] == 1
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 15
    assert attributes["gen_ai.usage.output_tokens"] == 20


@GENERATED_CLIENTS
def test_types_hold(sdk, key, telemetry):  # noqa: ARG001 - on
    """The caller gets the SDK's own stream object, of its very class."""
    import together  # noqa: PLC0415 - after the instrumentation

    stream = sdk.chat(sdk.client(api_key=key), stream=True)

    assert type(stream) is (together.AsyncStream if sdk.is_async else together.Stream)
    assert stream.response.status_code == 200
    sdk.read(stream)
