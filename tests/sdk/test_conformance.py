"""All telemetry of all operations is as OpenTelemetry's GenAI conventions 0.1.0 want it."""

import base64
import io
import json

import genai
import pytest
from capturing import calling
from emitted import Emitted
from generation import GENERATION
from leaving import LIBRARIES, leave
from scenarios import MESSAGES, MODEL, OPERATIONS
from test_scenarios import EXITS, Exit, ask, project  # noqa: F401 - a fixture of all tests here

from together_otel import TogetherInstrumentor
from together_otel.testing import behaviours

pytestmark = pytest.mark.skipif(
    GENERATION < 2, reason="1.x is told by the same code; its own requests are in test_scenarios"
)


@pytest.fixture
def emitted():
    """The instrumentation with everything on, and what it emits."""
    made = Emitted()
    TogetherInstrumentor().instrument(
        tracer_provider=made.tracer_provider,
        meter_provider=made.meter_provider,
        logger_provider=made.logger_provider,
        genai_metrics="latest",
        chunk_times=True,
        capture_message_content="SPAN_AND_EVENT",
    )
    yield made
    TogetherInstrumentor().uninstrument()
    made.tracer_provider.shutdown()
    made.meter_provider.shutdown()
    made.logger_provider.shutdown()


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_success(operation, sdk, key, server, emitted):
    if operation.body is not None:
        server.always(behaviours.custom(200, operation.body))
    ask(sdk, sdk.client(api_key=key), operation)
    emitted.check()


# Every exit of the first two, which are a whole chat and a streamed one; of the others one, in turn.
# That a span has what was asked and how it ended, of every pair, is in test_scenarios.
FAILING = [
    (operation, exit_)
    for number, operation in enumerate(OPERATIONS)
    for exit_ in (EXITS if number < 2 else [EXITS[number % len(EXITS)]])
]


@pytest.mark.parametrize(("operation", "exit_"), FAILING, ids=str)
def test_failure(operation, exit_, sdk, key, server, emitted):
    server.always(exit_.behaviour)
    client = sdk.client(api_key=key, **exit_.options)
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is not the question here
        ask(sdk, client, operation)
    emitted.check()


STREAMED = [operation for operation in OPERATIONS if operation.streamed]


@pytest.mark.parametrize(
    "behaviour", [behaviours.cut_stream(), behaviours.error_frame()], ids=["cut", "error frame"]
)
@pytest.mark.parametrize("operation", STREAMED, ids=str)
def test_streams_that_fail(operation, behaviour, sdk, key, server, emitted):
    """A stream that fails in its middle is an ERROR with what came until then."""
    server.always(behaviour)
    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is not the question here
        ask(sdk, sdk.client(api_key=key), operation)
    emitted.check()


@pytest.mark.parametrize("operation", STREAMED, ids=str)
def test_abandoned(operation, sdk, key, emitted):
    stream = sdk.run(lambda: operation.ask(sdk.client(api_key=key)))
    sdk.read(stream, 1)
    sdk.run(stream.close)
    emitted.check("abandoned")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("operation", "frames"),
    [*((operation, 0) for operation in OPERATIONS), *((operation, 1) for operation in STREAMED)],
    ids=str,
)
def test_cancelled(operation, frames, library, key, server, emitted):
    leave(library, operation, server, key, frames)
    emitted.check("cancelled")


INLINE = base64.b64encode(b"RIFF").decode()
EVERY_PART = [
    {"type": "text", "text": "Hello"},
    {"type": "image_url", "image_url": {"url": "https://a.invalid/1.png"}},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{INLINE}"}},
    {"type": "video_url", "video_url": {"url": "https://a.invalid/1.mp4"}},
    {"type": "audio_url", "audio_url": {"url": "https://a.invalid/1.wav"}},
    {"type": "input_audio", "input_audio": {"data": INLINE, "format": "wav"}},
    {"type": "file", "file": {"file_id": "file-1"}},
    {"type": "file"},
    {"type": "blob"},
    {"type": "uri"},
    {"type": "reasoning"},
    {"type": "tool_call"},
    {"type": "tool_call_response"},
    {"type": "server_tool_call"},
    {"type": "novelty"},
]
"""Parts of messages: those that the API knows, and those only named as the conventions' are."""

EVERYTHING = {
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": EVERY_PART, "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [calling("f", '{"at": 1}')]},
        {"role": "tool", "tool_call_id": "call-1", "content": "Rain."},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "It.", "parameters": {}}},
        {"type": "code_interpreter"},
    ],
    "temperature": 1,
    "top_p": 1,
    "top_k": 2.0,
    "frequency_penalty": 0,
    "presence_penalty": 1,
    "max_tokens": 5,
    "seed": 7,
    "n": 2,
    "stop": ["a", "b"],
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
}
"""A chat with every field that has an attribute, in types that are not the conventions'."""


def answering(*, streamed, cached):
    """Answer two choices, of which the second has no reason to end, and breakdowns of the usage."""
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 8,
        "total_tokens": 17,
        "cached_tokens": cached,
        "reasoning_tokens": cached,
    }
    said = {"role": "assistant", "content": "Hello", "reasoning": "So."}
    kind = "delta" if streamed else "message"
    choices = [
        {"index": 0, kind: said, "finish_reason": "tool_calls"},
        {"index": 1, kind: {**said, "tool_calls": [calling("f", "{}")]}, "finish_reason": None},
    ]
    body = {"id": "gen-x", "created": 1, "model": MODEL, "choices": choices, "usage": usage}
    if not streamed:
        return behaviours.custom(200, body | {"object": "chat.completion", "prompt": []})
    frame = f"data: {json.dumps(body | {'object': 'chat.completion.chunk'})}\n\n"
    return behaviours.custom(200, frame * 3 + "data: [DONE]\n\n", content_type="text/event-stream")


@pytest.mark.parametrize("cached", [0, 3])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_chats_with_everything(sdk, key, server, emitted, *, streamed, cached):
    """Every attribute is emitted, with the conventions' type, or is listed with a reason."""
    server.always(answering(streamed=streamed, cached=cached))
    more = {"stream": True} if streamed else {}
    answer = sdk.chat(sdk.client(api_key=key), **EVERYTHING, **more)
    if streamed:
        sdk.read(answer)
    emitted.check()
    (span,) = emitted.calls()
    assert span.attributes["gen_ai.response.finish_reasons"] == ("tool_calls", "error")
    if streamed and cached:
        never = {"error.type", "gen_ai.system_instructions", *genai.NOT_EMITTED}
        assert span.attributes.keys() >= genai.attributes_of("gen_ai.client.inference") - never


@pytest.mark.parametrize(
    ("make", "attributes"),
    [
        (
            lambda client: client.embeddings.create(
                model=MODEL, input="Hello", extra_body={"dimensions": 3, "encoding_format": "float"}
            ),
            genai.attributes_of("gen_ai.client.embeddings") - {"error.type"},
        ),
        (
            lambda client: client.images.generate(
                model=MODEL,
                prompt="A cat",
                n=2,
                seed=1,
                response_format="base64",
                image_url="https://a.invalid/1.png",
            ),
            {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.output.type"},
        ),
        (
            lambda client: client.audio.transcriptions.create(
                model=MODEL, file=io.BytesIO(b"RIFF"), prompt="Names", temperature=0
            ),
            {"gen_ai.system_instructions", "gen_ai.output.messages", "gen_ai.request.temperature"},
        ),
        (
            lambda client: client.videos.create(
                model=MODEL,
                prompt="A cat",
                extra_body={
                    "media": {"frame_images": [{"input_image": "https://a.invalid/1.png"}]}
                },
            ),
            {"gen_ai.input.messages", "gen_ai.output.type"},
        ),
    ],
    ids=["embeddings", "image generation", "transcription", "video generation"],
)
def test_requests_with_more(make, attributes, sdk, key, emitted):
    sdk.run(lambda: make(sdk.client(api_key=key)))
    emitted.check()
    (span,) = emitted.calls()
    assert span.attributes.keys() >= attributes


def test_every_metric(sdk, key, server, emitted):
    """Each metric of the conventions has points, or is listed with a reason."""
    client = sdk.client(api_key=key)
    sdk.run(lambda: client.embeddings.create(model=MODEL, input="Hello"))
    sdk.run(client.models.list)
    server.always(answering(streamed=True, cached=3))
    sdk.read(sdk.chat(client, model=MODEL, messages=MESSAGES, stream=True))
    emitted.check()
    found = {metric.name for metric in emitted.metrics() if metric.data.data_points}
    theirs = {name for name in found if name.startswith("gen_ai.")}
    assert theirs == genai.DATA["metrics"].keys() - genai.NOT_EMITTED.keys()


def test_exceptions_are_none_of_theirs():
    """What is listed as ours is not in the conventions, and what is listed as theirs is."""
    enums = {f"{name}={value}" for name, values in genai.DATA["enums"].items() for value in values}
    assert not genai.OURS.keys() & (enums | genai.DATA["attribute_types"].keys())
    theirs = genai.attributes_of("gen_ai.client.inference") | genai.DATA["metrics"].keys()
    assert genai.NOT_EMITTED.keys() <= theirs


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text"},
        {"type": "text", "content": None},
        {"type": "uri", "uri": "https://a.invalid/"},
        {"type": "tool_call", "id": 1, "name": "f"},
        {"type": "tool_call_response", "id": "call-1"},
        {"type": None},
    ],
    ids=json.dumps,
)
def test_wrong_parts_are_noticed(part):
    """A part is held against the definition of its type, not against the one that takes anything."""
    messages = [{"role": "user", "parts": [part]}]
    with pytest.raises(AssertionError):
        genai.check_content(messages, genai.MESSAGES["gen_ai.input.messages"])
