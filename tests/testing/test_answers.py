"""The default answers, as the SDK of whichever generation is installed reads them."""

import base64
import io

import pytest

from together_otel.testing import answers, behaviours

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
HELLO = [{"role": "user", "content": "Hello there"}]
USAGE = {"prompt_tokens": 2, "completion_tokens": 6, "total_tokens": 8}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def chat(client, **options):
    return client.chat.completions.create(model=MODEL, messages=HELLO, **options)


def usage(value):
    return {name: getattr(value, name) for name in USAGE}


def test_chat(server, client, key):
    completion = chat(client)
    assert completion.choices[0].message.content == answers.REPLY
    assert completion.choices[0].finish_reason == "stop"
    assert (completion.id, completion.model) == ("gen-1", MODEL)
    assert usage(completion.usage) == USAGE
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert (request.model, request.authorized, request.retry) == (MODEL, True, 0)
    assert request.key == key
    assert key not in repr(request)


def test_chat_stream(client):
    """The words come one by one, and the last chunk has the reason and the usage."""
    chunks = list(chat(client, stream=True))
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == answers.REPLY
    assert len(chunks) == 7
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert chunks[0].usage is None
    assert usage(chunks[-1].usage) == USAGE


async def test_async_chat_and_stream(async_client, generation):
    client = async_client()
    completion = await chat(client)
    chunks = [chunk async for chunk in await chat(client, stream=True)]
    if generation > 1:
        await client.close()
    assert completion.choices[0].message.content == answers.REPLY
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == answers.REPLY
    assert usage(chunks[-1].usage) == usage(completion.usage) == USAGE


def test_a_tool_is_called_once(client):
    """The first tool is called; a conversation that holds its result gets text."""
    choice = chat(client, tools=[TOOL]).choices[0]
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, call.function.name) == ("tool_calls", "look_up")
    talk = [*HELLO, {"role": "tool", "content": "found", "tool_call_id": call.id}]
    answer = client.chat.completions.create(model=MODEL, messages=talk, tools=[TOOL])
    assert answer.choices[0].message.content == answers.REPLY


def test_a_tool_is_called_in_a_stream(client):
    chunks = list(chat(client, tools=[TOOL], stream=True))
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "tool_calls"]


def test_completions(client):
    completion = client.completions.create(model=MODEL, prompt="Hello there")
    assert completion.choices[0].text == answers.REPLY
    assert usage(completion.usage) == USAGE


def test_completion_stream(client):
    chunks = list(client.completions.create(model=MODEL, prompt="Hello there", stream=True))
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == answers.REPLY
    assert usage(chunks[-1].usage) == USAGE


def test_embeddings(client):
    embedded = client.embeddings.create(model=MODEL, input=["one", "two"])
    assert [data.index for data in embedded.data] == [0, 1]
    assert (embedded.model, embedded.data[0].embedding) == (MODEL, [0.25, 0.5, 0.75])


def test_rerank(client):
    ranked = client.rerank.create(model=MODEL, query="a b", documents=["x", "y", "z"], top_n=2)
    assert [(result.index, result.relevance_score) for result in ranked.results] == [
        (0, 1.0),
        (1, 0.5),
    ]
    assert usage(ranked.usage) == {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2}


@pytest.mark.parametrize("form", ["url", "base64"])
def test_images(client, form):
    made = client.images.generate(model=MODEL, prompt="A cat", n=2, response_format=form)
    assert [image.index for image in made.data] == [0, 1]
    if form == "url":
        assert made.data[0].url.startswith("https://")
    else:
        assert base64.b64decode(made.data[0].b64_json) == b"an image"


def test_speech(client, generation):
    said = client.audio.speech.create(model=MODEL, input="Hello", voice="tara")
    sound = said.response.data if generation == 1 else said.read()
    assert sound.startswith(b"RIFF")


def test_speech_stream(client, generation):
    said = client.audio.speech.create(
        model=MODEL, input="Hello", voice="tara", stream=True, response_format="raw"
    )
    if generation == 1:
        parts = [part.data["b64"] for part in said.response]
    else:
        parts = [part.b64 for part in said]
    assert [len(base64.b64decode(part)) for part in parts] == [480, 480, 480]


@pytest.mark.parametrize("resource", ["transcriptions", "translations"])
@pytest.mark.parametrize("form", ["json", "verbose_json"])
def test_transcripts(server, client, generation, resource, form):
    """The model is read from the multipart form."""
    recording = io.BytesIO(b"RIFF....WAVE")
    recording.name = "hello.wav"
    file = recording if generation == 1 else ("hello.wav", recording, "audio/wav")
    text = getattr(client.audio, resource).create(file=file, model=MODEL, response_format=form)
    assert text.text == answers.REPLY
    assert getattr(text, "duration", None) == (1.0 if form == "verbose_json" else None)
    assert server.requests[0].model == MODEL


def test_models_list(server, client, generation):
    models = list(
        client.models.list(project_id="proj-1") if generation > 2 else client.models.list()
    )
    names = [model.name if generation > 2 else model.id for model in models]
    assert names == ["stand-in/model"]
    assert server.requests[0].method == "GET"


def test_supported_models(client):
    if not hasattr(client.models, "list_supported"):
        pytest.skip("3.x alone has models.list_supported")
    assert list(client.models.list_supported()) == []


def test_whoami(client, generation):
    if not hasattr(client, "whoami"):
        pytest.skip("1.x and 2.0 have no whoami")
    known = client.whoami()
    assert (known.project.slug if generation > 2 else known.project_slug) == "stand-in"


def test_files(client):
    assert [file.id for file in client.files.list().data] == ["file-1"]
    assert client.files.retrieve("file-9").id == "file-9"


def test_file_content(client, generation, tmp_path):
    if generation == 1:
        copy = tmp_path / "copy.jsonl"
        client.files.retrieve_content("file-9", output=copy)
        content = copy.read_bytes()
    else:
        content = client.files.content("file-9").read()
    assert content == answers.FILE_CONTENT


def test_upload(server, client, key, tmp_path):
    """The server is also the storage that it sends files to, where SDKs come without the key."""
    server.always(behaviours.accept())
    file = tmp_path / "training.jsonl"
    file.write_bytes(answers.FILE_CONTENT)
    assert client.files.upload(file=file).id == "file-1"
    assert [(asked.method, asked.path, asked.key) for asked in server.requests] == [
        ("POST", "/v1/files", key),
        ("PUT", "/storage/file-1", None),
        ("POST", "/v1/files/file-1/preprocess", key),
    ]


def test_an_upload_in_parts(server, ask):
    """As many addresses as there are parts, and at the end the file."""
    begun = ask(server, path="/v1/files/multipart/initiate", body={"num_parts": 2}).json
    assert [part["PartNumber"] for part in begun["parts"]] == [1, 2]
    assert begun["parts"][1]["URL"] == f"{server.url}/storage/file-1/2"
    done = ask(server, path="/v1/files/multipart/complete", body={"file_id": "file-1"}).json
    assert done["file"]["id"] == begun["file_id"] == "file-1"


def test_fine_tuning(server, client):
    """The SDK asks for limits and for the price before it begins a job."""
    job = client.fine_tuning.create(training_file="file-1", model=MODEL)
    assert job.id == "ft-1"
    assert [request.path.partition("?")[0] for request in server.requests] == [
        "/v1/fine-tunes/models/limits",
        "/v1/fine-tunes/estimate-price",
        "/v1/fine-tunes",
    ]


def test_a_base_url_of_another_generation_finds_nothing(server, ask):
    """Given a base URL that ends in /v1, 3.x asks for /v1/v1/…: not there."""
    reply = ask(server, path="/v1/v1/chat/completions")
    assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")


def test_an_unknown_path_is_answered_with_an_empty_object(server, ask):
    reply = ask(server, path="/v1/what/ever")
    assert (reply.status, reply.json) == (200, {})


def test_a_video_job_is_accepted(server, ask):
    """Over plain HTTP: generations disagree about the path more than about the answer."""
    reply = ask(server, path="/v2/videos", body={"model": MODEL, "prompt": "A cat"})
    assert (reply.json["model"], reply.json["status"]) == (MODEL, "in_progress")
