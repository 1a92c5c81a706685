"""What was said piece by piece is told whole, or as far as it came; what nobody read is not."""

import asyncio
import contextlib
import gc

import pytest
from capturing import INPUTS, OUTPUTS, calling, content, events, reply, streamed, text, user, whole
from generation import GENERATION, MESSAGES, MODEL
from reported import call
from steps import each, got, step, tell, within

from together_otel.testing import behaviours
from together_otel.testing.answers import REPLY

GENERATED_CLIENTS = pytest.mark.skipif(GENERATION < 2, reason="1.x has no raw responses")

# 1.x leaves its HTTP session open when a stream is dropped, with us or without.
pytestmark = [
    pytest.mark.usefixtures("captured"),
    pytest.mark.filterwarnings(
        *(("ignore::pytest.PytestUnraisableExceptionWarning",) if GENERATION < 2 else ("error",))
    ),
]

WORDS = ("Hello ", "from ")
"""The first chunks of what the server always says."""

ASKED = {INPUTS: [user(text("Hello"))]}


@pytest.fixture(autouse=True)
def warned_at_once():
    """Let what the SDK leaves be warned of in the test that left it."""
    yield
    gc.collect()


def read(sdk, key, **options):
    sdk.read(sdk.chat(sdk.client(api_key=key), stream=True, **options))


def called(identifier, name, arguments):
    return {"type": "tool_call", "id": identifier, "name": name, "arguments": arguments}


def test_text(sdk, key, telemetry):
    read(sdk, key)
    assert content(telemetry) == ASKED | {OUTPUTS: [reply(text(REPLY))]}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_reasoning(stream, sdk, key, server, telemetry):
    """Under either of its names; it comes before the text."""
    thinking = [{"reasoning": "Let me "}, {"reasoning_content": "think."}]
    server.always(
        streamed(*thinking, {"content": "Four"}, {"content": "."})
        if stream
        else whole({"content": "Four.", "reasoning": "Let me think."})
    )
    answer = sdk.chat(sdk.client(api_key=key), stream=stream)
    if stream:
        sdk.read(answer)

    thought = {"type": "reasoning", "content": "Let me think."}
    assert content(telemetry)[OUTPUTS] == [reply(thought, text("Four."))]


def test_tool_calls(sdk, key, server, telemetry):
    """Pieces of two calls, of which only the first names its call, are told apart by index."""

    def more(index, arguments):
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}

    server.always(
        streamed(
            {"tool_calls": [calling("weather", "", id="call-1", index=0)]},
            more(0, '{"city": "Be'),
            {"tool_calls": [calling("time", "{", id="call-2", index=1)]},
            more(0, 'rn"}'),
            more(1, '"zone": 1}'),
            finish_reason="tool_calls",
        )
    )
    read(sdk, key)

    assert content(telemetry)[OUTPUTS] == [
        reply(
            called("call-1", "weather", {"city": "Bern"}),
            called("call-2", "time", {"zone": 1}),
            finish_reason="tool_call",
        )
    ]
    assert call(telemetry)["gen_ai.response.finish_reasons"] == ["tool_calls"]


def test_tool_calls_of_a_whole_answer(sdk, key, server, telemetry):
    """Arguments that are no JSON are told as they were written."""
    calls = [calling("weather", '{"city": "Bern"}'), calling("time", "zone 1", id="call-2")]
    server.always(whole({"content": None, "tool_calls": calls}, finish_reason="tool_calls"))
    sdk.chat(sdk.client(api_key=key))

    assert content(telemetry)[OUTPUTS] == [
        reply(
            called("call-1", "weather", {"city": "Bern"}),
            called("call-2", "time", "zone 1"),
            finish_reason="tool_call",
        )
    ]


def test_several_choices(sdk, key, server, telemetry):
    """Each is a message of its own, however their chunks are mixed."""
    server.always(
        streamed(
            {"choice": 1, "content": "No"},
            {"choice": 0, "content": "Y"},
            {"choice": 1, "content": "."},
            {"choice": 0, "content": "es."},
        )
    )
    read(sdk, key, n=2)

    # Only the last chunk's choice was given a reason to end.
    assert content(telemetry)[OUTPUTS] == [
        reply(text("Yes.")),
        reply(text("No."), finish_reason="error"),
    ]


def test_several_choices_of_a_whole_answer(sdk, key, server, telemetry):
    server.always(whole({"content": "Yes."}, {"content": "No."}, finish_reason="eos"))
    sdk.chat(sdk.client(api_key=key), n=2)

    assert content(telemetry)[OUTPUTS] == [reply(text("Yes.")), reply(text("No."))]


def test_left_early(sdk, key, telemetry):
    """What was read until then is told, and that it is not all."""
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    sdk.read(stream, chunks=2)
    if GENERATION > 1:
        sdk.run(stream.close)
    del stream
    gc.collect()
    if sdk.is_async:
        # The loop closes the async generators that the collection left to it.
        for _ in range(5):
            sdk.run(lambda: asyncio.sleep(0))

    assert content(telemetry)[OUTPUTS] == [reply(text("Hello from "), finish_reason="error")]
    assert call(telemetry)["together.request.outcome"] == "abandoned"


def test_cut_off(sdk, key, server, telemetry):
    """Of a connection that breaks, what came before it did: async 1.x gives nothing then."""
    server.always(behaviours.cut_stream(2))
    stream = sdk.chat(sdk.client(api_key=key), stream=True)
    seen = []
    with contextlib.suppress(Exception):
        for _ in range(3):
            seen += sdk.read(stream, chunks=1)

    told = content(telemetry).get(OUTPUTS, [reply(text(""), finish_reason="error")])
    assert told == [reply(text("".join(WORDS[: len(seen)])), finish_reason="error")]
    assert call(telemetry)["together.request.outcome"] == "connection_error"
    (event,) = events(telemetry)
    assert event["attributes"]["error.type"] == call(telemetry)["error.type"]


def test_completion(sdk, key, telemetry):
    """A chunk that has its text twice, as Together's have, says it once."""
    client = sdk.client(api_key=key)
    sdk.read(sdk.run(lambda: client.completions.create(model=MODEL, prompt="Hello", stream=True)))
    assert content(telemetry) == ASKED | {OUTPUTS: [reply(text(REPLY))]}


def test_speech(sdk, key, telemetry):
    """A streamed sound is not told."""
    if sdk.is_async and GENERATION == 1:
        pytest.skip("async 1.x cannot take the stream that it asked for")
    client = sdk.client(api_key=key)
    made = sdk.run(
        lambda: client.audio.speech.create(
            model=MODEL, input="Hello", voice="a", response_format="raw", stream=True
        )
    )
    if GENERATION > 1:
        sdk.read(made)
    else:
        made.stream_to_file("/dev/null")

    assert content(telemetry) == ASKED


@GENERATED_CLIENTS
def test_raw_response(sdk, key, telemetry):
    """It is told though nobody parsed it."""
    client = sdk.client(api_key=key)
    create = client.chat.completions.with_raw_response.create
    raw = sdk.run(lambda: create(model=MODEL, messages=MESSAGES))

    assert content(telemetry) == ASKED | {OUTPUTS: [reply(text(REPLY))]}
    assert raw.headers["x-request-id"] == "req-1"


HOW_FAR = {
    "parsed": reply(text(REPLY)),
    "two chunks": reply(text("Hello from "), finish_reason="error"),
    "lines": reply(text(REPLY)),
    "nothing": None,
}
"""How a stream is read → what is told of it, also where only the caller understands its lines."""


@GENERATED_CLIENTS
@pytest.mark.parametrize("how", HOW_FAR)
def test_streaming_response(how, sdk, key, telemetry):
    """What the caller has not read is not read for him."""
    client = sdk.client(api_key=key)
    create = client.chat.completions.with_streaming_response.create

    async def reading():
        async with within(create(model=MODEL, messages=MESSAGES, stream=True)) as response:
            if how == "lines":
                assert len([line async for line in each(response.iter_lines())]) > 2
            elif how == "two chunks":
                stream = await got(response.parse())
                await step(stream)
                await step(stream)
            elif how == "parsed":
                [chunk async for chunk in each(await got(response.parse()))]

    tell(sdk, reading)
    said = HOW_FAR[how]
    assert content(telemetry) == (ASKED if said is None else ASKED | {OUTPUTS: [said]})


@GENERATED_CLIENTS
def test_streaming_response_of_json(sdk, key, telemetry):
    """A whole body is told once the caller has read it."""
    client = sdk.client(api_key=key)
    create = client.chat.completions.with_streaming_response.create

    async def reading():
        async with within(create(model=MODEL, messages=MESSAGES)) as response:
            assert events(telemetry) == []
            assert await got(response.read())

    tell(sdk, reading)
    assert content(telemetry) == ASKED | {OUTPUTS: [reply(text(REPLY))]}
