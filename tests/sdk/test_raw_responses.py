"""`with_raw_response` and `with_streaming_response`: the caller reads, or does not."""

import json

import pytest
from dirty_equals import IsFloat
from generation import GENERATION, MESSAGES, MODEL
from measured import FIRST_CHUNK
from steps import close, each, got, only_call, step, tell, unended, within

from together_otel.testing import behaviours

pytestmark = pytest.mark.skipif(GENERATION < 2, reason="1.x has no raw responses")

ASK = {"model": MODEL, "messages": MESSAGES}
SPEAK = {"model": MODEL, "input": "Hello", "voice": "a voice"}
USED = 6
"""Output tokens of every answer of the server's."""


def tokens(attributes):
    """Return the output tokens told."""
    return attributes.get("gen_ai.usage.output_tokens")


def first_chunks(telemetry):
    """Return how many times to a first chunk were recorded."""
    return telemetry.counter(FIRST_CHUNK)


# ── with_raw_response ────────────────────────────────────────────────────────────────


def test_raw(sdk, key, telemetry):
    """It carries usage though nobody parsed it, and parses as before."""
    client = sdk.client(api_key=key)
    raw = sdk.run(lambda: client.chat.completions.with_raw_response.create(**ASK))

    attributes = only_call(telemetry)
    assert tokens(attributes) == USED
    assert attributes["together.request.outcome"] == "success"
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert raw.headers["x-request-id"] == attributes["together.request.id"]
    assert sdk.run(raw.parse).usage.completion_tokens == USED
    only_call(telemetry)


def test_raw_refused(sdk, key, server, telemetry):
    """A refusal is raised by it, too, and told as ever."""
    server.revoke(key)
    client = sdk.client(api_key=key)
    with pytest.raises(Exception, match="Invalid API key"):
        sdk.run(lambda: client.chat.completions.with_raw_response.create(**ASK))

    assert only_call(telemetry)["together.auth.cause"] == "rejected"


def test_raw_stream(sdk, key, telemetry):
    """It is a stream once it is parsed, of the SDK's own class; till then nothing is read of it."""
    import together  # noqa: PLC0415 - after the instrumentation

    client = sdk.client(api_key=key)

    async def story():
        raw = await got(client.chat.completions.with_raw_response.create(stream=True, **ASK))
        stream = await got(raw.parse())
        assert type(stream) is (together.AsyncStream if sdk.is_async else together.Stream)
        assert await got(raw.parse()) is stream
        assert not raw.http_response.is_stream_consumed
        assert unended(telemetry)
        assert len([chunk async for chunk in each(stream)]) > 2

    tell(sdk, story)
    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == "success"
    assert attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert attributes["gen_ai.response.time_to_first_chunk"] == IsFloat(gt=0)
    assert tokens(attributes) == USED
    assert first_chunks(telemetry) == 1


async def lines_of_it_read(raw):
    assert len([line async for line in each(raw.iter_lines())]) > 2


async def parsed_and_closed(raw):
    await close(await got(raw.parse()))


async def never_parsed(raw):
    assert not raw.http_response.is_stream_consumed


async def never_iterated(raw):
    await got(raw.parse())


async def dropped_after_a_chunk(raw):
    await step(await got(raw.parse()))


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        pytest.param(lines_of_it_read, "success", id="lines of it read"),
        pytest.param(parsed_and_closed, "abandoned", id="parsed and closed"),
        pytest.param(never_parsed, "abandoned", id="never parsed"),
        pytest.param(never_iterated, "abandoned", id="never iterated"),
        pytest.param(dropped_after_a_chunk, "abandoned", id="dropped after a chunk"),
    ],
)
def test_raw_stream_left(way, outcome, sdk, key, telemetry):
    """What is not read to its end as a stream is told as far as it was."""
    client = sdk.client(api_key=key)

    async def story():
        await way(await got(client.chat.completions.with_raw_response.create(stream=True, **ASK)))

    tell(sdk, story)
    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert tokens(attributes) == (USED if outcome == "success" else None)


# ── with_streaming_response ──────────────────────────────────────────────────────────


async def parsed(response):
    return await got(response.parse())


async def text_read(response):
    return await got(response.text())


async def json_read(response):
    return await got(response.json())


async def bytes_read(response):
    return await got(response.read())


async def bytes_iterated(response):
    return b"".join([piece async for piece in each(response.iter_bytes(7))])


async def texts_iterated(response):
    return "".join([piece async for piece in each(response.iter_text())])


async def lines_iterated(response):
    return [line async for line in each(response.iter_lines())]


async def left_at_the_first_piece(response):
    await anext(each(response.iter_bytes(7)))


async def left_unread(response):
    assert not response.http_response.is_stream_consumed


@pytest.mark.parametrize(
    ("way", "outcome", "used"),
    [
        pytest.param(*case, id=case[0].__name__)
        for case in (
            (parsed, "success", USED),
            (json_read, "success", USED),
            (text_read, "success", USED),
            (bytes_read, "success", USED),
            (bytes_iterated, "success", USED),
            (texts_iterated, "success", USED),
            (lines_iterated, "success", USED),
            (left_at_the_first_piece, "abandoned", None),
            (left_unread, "abandoned", None),
        )
    ],
)
def test_streaming_response_of_json(way, outcome, used, sdk, key, telemetry):
    """Usage is told once the body is read, by the SDK or by the caller in pieces."""
    create = sdk.client(api_key=key).chat.completions.with_streaming_response.create

    async def story():
        async with within(create(**ASK)) as response:
            assert unended(telemetry)
            await way(response)

    tell(sdk, story)
    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == outcome
    assert tokens(attributes) == used
    assert first_chunks(telemetry) == 0


def test_streaming_response_is_read_once(sdk, key, telemetry):
    """Parsing again what was read gives the same, and tells nothing twice."""
    create = sdk.client(api_key=key).chat.completions.with_streaming_response.create

    async def story():
        async with within(create(**ASK)) as response:
            first = await got(response.parse())
            assert await got(response.parse()) is first
            assert json.loads(await got(response.text()))["id"] == first.id

    tell(sdk, story)
    assert tokens(only_call(telemetry)) == USED


@pytest.mark.parametrize("how", ["parsed", "lines", "unread"])
def test_streaming_response_of_a_stream(how, sdk, key, telemetry):
    """Its span lasts until the body was read, or left."""
    create = sdk.client(api_key=key).chat.completions.with_streaming_response.create

    async def story():
        async with within(create(stream=True, **ASK)) as response:
            assert unended(telemetry)
            if how != "unread":
                lines = response.iter_lines() if how == "lines" else await got(response.parse())
                assert len([one async for one in each(lines)]) > 2

    tell(sdk, story)
    attributes = only_call(telemetry)
    assert attributes["together.request.outcome"] == ("abandoned" if how == "unread" else "success")
    assert tokens(attributes) == (None if how == "unread" else USED)
    assert first_chunks(telemetry) == (how != "unread")


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        (behaviours.error_frame(1), "auth_failure"),
        (behaviours.error_frame(1, code=None, message="Overloaded"), "server_error"),
    ],
    ids=["refused", "overloaded"],
)
@pytest.mark.parametrize("raw", [False, True], ids=["streaming", "raw"])
def test_an_error_that_the_caller_reads(frame, outcome, raw, sdk, key, server, telemetry):
    """By lines or as bytes: nobody raises it, and it is told all the same."""
    server.always(frame)
    completions = sdk.client(api_key=key).chat.completions

    async def story():
        if raw:
            response = await got(completions.with_raw_response.create(stream=True, **ASK))
            await lines_of_it_read(response)
            return
        async with within(
            completions.with_streaming_response.create(stream=True, **ASK)
        ) as response:
            await bytes_iterated(response)

    tell(sdk, story)
    assert only_call(telemetry)["together.request.outcome"] == outcome


def test_streaming_response_refused(sdk, key, server, telemetry):
    """The request is made, and refused, on entering."""
    server.revoke(key)
    manager = sdk.client(api_key=key).chat.completions.with_streaming_response.create(**ASK)
    assert server.requests == []

    async def story():
        async with within(manager):
            pass

    with pytest.raises(Exception, match="Invalid API key"):
        tell(sdk, story)
    assert only_call(telemetry)["together.auth.cause"] == "rejected"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_streaming_response_cut_off(stream, sdk, key, server, telemetry):
    """A body that breaks off while it is read is a connection error."""
    server.always(behaviours.cut_stream(2))
    create = sdk.client(api_key=key).chat.completions.with_streaming_response.create

    async def story():
        async with within(create(stream=stream, **ASK)) as response:
            await bytes_iterated(response)

    with pytest.raises(Exception, match="peer closed connection"):
        tell(sdk, story)
    assert only_call(telemetry)["together.request.outcome"] == "connection_error"


# ── sounds ───────────────────────────────────────────────────────────────────────────


def test_speech(sdk, key, telemetry, tmp_path):
    """A sound that was fetched whole ends its call at once; what the caller does with it is his."""
    client = sdk.client(api_key=key)

    async def story():
        speech = await got(client.audio.speech.create(**SPEAK))
        assert only_call(telemetry)["together.request.outcome"] == "success"
        await got(speech.write_to_file(tmp_path / "hello.wav"))

    tell(sdk, story)
    assert (tmp_path / "hello.wav").read_bytes().startswith(b"RIFF")
    only_call(telemetry)
    assert first_chunks(telemetry) == 0


@pytest.mark.parametrize("how", ["to a file", "iterated", "left"])
def test_speech_in_pieces(how, sdk, key, telemetry, tmp_path):
    """A sound that is fetched piece by piece is a stream, with a first chunk."""
    create = sdk.client(api_key=key).audio.speech.with_streaming_response.create
    file = tmp_path / "hello.wav"

    async def story():
        async with within(create(**SPEAK)) as speech:
            assert unended(telemetry)
            if how == "to a file":
                await got(speech.stream_to_file(file))
                assert file.read_bytes().startswith(b"RIFF")
            elif how == "iterated":
                assert (await bytes_iterated(speech)).startswith(b"RIFF")

    tell(sdk, story)
    attributes = only_call(telemetry)
    heard = how != "left"
    assert attributes["together.request.outcome"] == ("success" if heard else "abandoned")
    assert ("gen_ai.response.time_to_first_chunk" in attributes) == heard
    assert first_chunks(telemetry) == heard
