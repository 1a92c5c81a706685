"""The operations of the scenario table: how each is asked for, and what its span says.

What was asked is there when the span starts, whatever becomes of the call; ``told`` is what the
body of a good answer adds. The rest of the span is how the call ended: it stands in
``test_scenarios``, as it is the same for all operations. What one generation of the SDK says
otherwise than the others is in the row.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dirty_equals import IsFloat
from generation import GENERATION

MODEL = "a/model"
MESSAGES = [{"role": "user", "content": "Hello"}]

OF_A_PROJECT = "projects." if GENERATION > 2 else ""
"""How names begin of what 3.x asks a project for, and older ones the account."""

OF_MODEL = {"gen_ai.response.model": MODEL}
ANSWERED = OF_MODEL | {"gen_ai.response.id": "gen-1"}
WRITTEN = ANSWERED | {
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 1,
    "gen_ai.usage.output_tokens": 6,
}
FIRST_CHUNK = {"gen_ai.response.time_to_first_chunk": IsFloat(gt=0)}
MOST_TOKENS = {"gen_ai.request.max_tokens": 512}
COLDEST = {"gen_ai.request.temperature": 0.0}


def sound():
    """Return a file to be listened to."""
    return io.BytesIO(b"RIFF")


@dataclass(frozen=True)
class Operation:
    """One thing that an application asks for.

    ``ask`` makes the call. ``more`` is what is asked for beside the model. ``body`` is the
    server's answer where its own would not do. ``more_in_1`` is what 1.x asks for beyond that:
    its own defaults.
    """

    title: str
    name: str
    ask: Callable[[Any], Any]
    told: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    of_a_model: bool = True
    body: object = None
    more_in_1: dict[str, Any] = field(default_factory=dict)
    streamed: bool = False
    async_in_1: bool = True

    def __str__(self):
        return self.title

    @property
    def asked(self):
        """The span's name, and its attributes that say what was asked."""
        if not self.of_a_model:
            return {"name": self.name, "gen_ai.operation.name": self.name}
        named = {"name": f"{self.name} {MODEL}", "gen_ai.operation.name": self.name}
        stream = {"gen_ai.request.stream": True} if self.streamed else {}
        return {**named, "gen_ai.request.model": MODEL, **stream, **self.more}


def managed(name, ask, **more):
    """Return an operation that concerns no model."""
    return Operation(name.removeprefix(OF_A_PROJECT), name, ask, of_a_model=False, **more)


OPERATIONS = [
    Operation(
        "chat",
        "chat",
        lambda client: client.chat.completions.create(model=MODEL, messages=MESSAGES),
        told=WRITTEN,
    ),
    Operation(
        "chat, streamed",
        "chat",
        lambda client: client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True),
        told=WRITTEN | FIRST_CHUNK,
        streamed=True,
    ),
    Operation(
        "text completion",
        "text_completion",
        lambda client: client.completions.create(model=MODEL, prompt="Hello"),
        told=WRITTEN,
        more_in_1=MOST_TOKENS,
    ),
    Operation(
        "text completion, streamed",
        "text_completion",
        lambda client: client.completions.create(model=MODEL, prompt="Hello", stream=True),
        told=WRITTEN | FIRST_CHUNK,
        more_in_1=MOST_TOKENS,
        streamed=True,
    ),
    Operation(
        "embeddings",
        "embeddings",
        lambda client: client.embeddings.create(model=MODEL, input="Hello"),
        told=OF_MODEL | {"gen_ai.usage.input_tokens": 1},
    ),
    Operation(
        "rerank",
        "rerank",
        lambda client: client.rerank.create(model=MODEL, query="Hello", documents=["Hi", "Bye"]),
        told=ANSWERED | {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 0},
    ),
    Operation(
        "image generation",
        "image_generation",
        lambda client: client.images.generate(model=MODEL, prompt="A pelican", n=2),
        more={"gen_ai.request.choice.count": 2, "gen_ai.output.type": "image"},
        told=ANSWERED,
    ),
    Operation(
        "speech",
        "speech",
        lambda client: client.audio.speech.create(model=MODEL, input="Hello", voice="a voice"),
        more={"gen_ai.output.type": "speech"},
    ),
    Operation(
        "speech, streamed",
        "speech",
        lambda client: client.audio.speech.create(
            model=MODEL, input="Hello", voice="a voice", stream=True
        ),
        more={"gen_ai.output.type": "speech"},
        told=OF_MODEL | FIRST_CHUNK,
        streamed=True,
        async_in_1=False,  # it does not take its own async stream
    ),
    Operation(
        "transcription",
        "transcription",
        lambda client: client.audio.transcriptions.create(model=MODEL, file=sound()),
        more_in_1=COLDEST,
    ),
    Operation(
        "translation",
        "translation",
        lambda client: client.audio.translations.create(model=MODEL, file=sound()),
        more_in_1=COLDEST,
    ),
    Operation(
        "video generation",
        "video_generation",
        lambda client: client.videos.create(model=MODEL, prompt="A pelican"),
        more={"gen_ai.output.type": "video"},
        told=ANSWERED,
    ),
    managed(
        "videos.retrieve",
        lambda client: client.videos.retrieve("video-1"),
        body={
            "id": "video-1",
            "object": "video",
            "created_at": 1,
            "model": MODEL,
            "seconds": "1",
            "size": "64x64",
            "status": "completed",
        },
        told=OF_MODEL | {"gen_ai.response.id": "video-1"},
    ),
    managed(f"{OF_A_PROJECT}models.list", lambda client: client.models.list()),
    managed(
        "files.retrieve",
        lambda client: client.files.retrieve("file-1"),
        told={"gen_ai.response.id": "file-1"},
    ),
    managed(
        "batches.list",
        lambda client: client.batches.list_batches() if GENERATION == 1 else client.batches.list(),
    ),
    managed("fine_tunes.retrieve", lambda client: client.fine_tuning.retrieve("ft-1")),
    managed(
        f"{OF_A_PROJECT}endpoints.list",
        lambda client: client.endpoints.list(),
        body={"object": "list", "data": []},
        async_in_1=False,  # it has none
    ),
]
