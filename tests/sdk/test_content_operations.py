"""What was said in calls of every kind; which kinds have nothing to say."""

import io

import pytest
from capturing import INPUTS, INSTRUCTIONS, OUTPUTS, content, events, parsed, reply, text, user
from generation import GENERATION, MODEL
from reported import call

from together_otel.testing.answers import REPLY

SAID = "What was said"
pytestmark = pytest.mark.usefixtures("captured")

SOUND = b"RIFF and what it sounds like"
PROMPT = {INPUTS: [user(text(SAID))]}
IMAGE = {"type": "uri", "modality": "image"}
TRANSCRIPT = {INSTRUCTIONS: [text(SAID)], OUTPUTS: [reply(text(REPLY))]}


def sound():
    return io.BytesIO(SOUND) if GENERATION == 1 else SOUND


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(
            lambda client: client.completions.create(model=MODEL, prompt=SAID),
            PROMPT | {OUTPUTS: [reply(text(REPLY))]},
            id="completion",
        ),
        pytest.param(
            lambda client: client.images.generate(model=MODEL, prompt=SAID, n=2),
            PROMPT | {OUTPUTS: [reply(IMAGE | {"uri": "https://images.invalid/1.png"})] * 2},
            id="images",
        ),
        pytest.param(
            lambda client: client.images.generate(
                model=MODEL,
                prompt=SAID,
                response_format="b64_json" if GENERATION == 1 else "base64",
                image_url="https://images.invalid/start.png",
            ),
            {
                INPUTS: [user(text(SAID), IMAGE | {"uri": "https://images.invalid/start.png"})],
                OUTPUTS: [
                    reply(IMAGE | {"uri": "nih:sha-256-128;a5df3fde7b200c3fa2791144c7e05c5c"})
                ],
            },
            id="image-inline",
        ),
        pytest.param(
            lambda client: client.audio.speech.create(model=MODEL, input=SAID, voice="a"),
            PROMPT,
            id="speech",
        ),
        pytest.param(
            lambda client: client.audio.transcriptions.create(
                model=MODEL, file=sound(), prompt=SAID
            ),
            TRANSCRIPT,
            id="transcription",
        ),
        pytest.param(
            lambda client: client.audio.translations.create(model=MODEL, file=sound(), prompt=SAID),
            TRANSCRIPT,
            id="translation",
        ),
        pytest.param(
            lambda client: client.videos.create(model=MODEL, prompt=SAID), PROMPT, id="video"
        ),
    ],
)
def test_operations(make, expected, sdk, key, telemetry):
    """Texts are told, images by reference, sounds never."""
    client = sdk.client(api_key=key)
    sdk.run(lambda: make(client))

    assert content(telemetry) == expected
    assert "RIFF" not in telemetry.everything()


@pytest.mark.parametrize(
    "make",
    [
        lambda client: client.embeddings.create(model=MODEL, input=SAID),
        lambda client: client.rerank.create(model=MODEL, query=SAID, documents=[SAID]),
        lambda client: client.files.list(),
    ],
    ids=["embeddings", "rerank", "files"],
)
def test_operations_without_messages(make, sdk, key, telemetry):
    """The conventions have no content for them, so none is told and no event made."""
    client = sdk.client(api_key=key)
    sdk.run(lambda: make(client))

    assert parsed(call(telemetry)) == {}
    assert events(telemetry) == []
    assert SAID not in telemetry.everything()
