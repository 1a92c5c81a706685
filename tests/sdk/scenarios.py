"""The operations of the scenario table: how each is asked for, and what its span says.

``asked`` is there when the span starts, whatever becomes of the call; ``told`` is what the body
of a good answer adds. The rest of the span is how the call ended: it stands in
``test_scenarios``, as it is the same for all operations. What one generation of the SDK says
otherwise than the others is in the row.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dirty_equals import IsFloat
from generation import GENERATION
from inline_snapshot import Is, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "a/model"
MESSAGES = [{"role": "user", "content": "Hello"}]

OF_A_PROJECT = "projects." if GENERATION > 2 else ""
"""How names begin of what 3.x asks a project for, and older ones the account."""


def sound():
    """Return a file to be listened to."""
    return io.BytesIO(b"RIFF")


@dataclass(frozen=True)
class Operation:
    """One thing that an application asks for.

    ``ask`` makes the call. ``body`` is the server's answer where its own would not do.
    ``more_in_1`` is what 1.x asks for beyond that: its own defaults.
    """

    title: str
    ask: Callable[[Any], Any]
    asked: Any
    told: Any
    body: object = None
    more_in_1: dict[str, Any] = field(default_factory=dict)
    streamed: bool = False
    async_in_1: bool = True

    def __str__(self):
        return self.title


OPERATIONS = [
    Operation(
        "chat",
        lambda client: client.chat.completions.create(model=MODEL, messages=MESSAGES),
        asked=snapshot(
            {
                "name": "chat a/model",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot(
            {
                "gen_ai.response.model": "a/model",
                "gen_ai.response.id": "gen-1",
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.usage.input_tokens": 1,
                "gen_ai.usage.output_tokens": 6,
            }
        ),
    ),
    Operation(
        "chat, streamed",
        lambda client: client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True),
        asked=snapshot(
            {
                "name": "chat a/model",
                "gen_ai.operation.name": "chat",
                "gen_ai.request.stream": True,
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot(
            {
                "gen_ai.response.model": "a/model",
                "gen_ai.response.id": "gen-1",
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.response.time_to_first_chunk": IsFloat(gt=0),
                "gen_ai.usage.input_tokens": 1,
                "gen_ai.usage.output_tokens": 6,
            }
        ),
        streamed=True,
    ),
    Operation(
        "text completion",
        lambda client: client.completions.create(model=MODEL, prompt="Hello"),
        asked=snapshot(
            {
                "name": "text_completion a/model",
                "gen_ai.operation.name": "text_completion",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot(
            {
                "gen_ai.response.model": "a/model",
                "gen_ai.response.id": "gen-1",
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.usage.input_tokens": 1,
                "gen_ai.usage.output_tokens": 6,
            }
        ),
        more_in_1={"gen_ai.request.max_tokens": 512},
    ),
    Operation(
        "text completion, streamed",
        lambda client: client.completions.create(model=MODEL, prompt="Hello", stream=True),
        asked=snapshot(
            {
                "name": "text_completion a/model",
                "gen_ai.operation.name": "text_completion",
                "gen_ai.request.stream": True,
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot(
            {
                "gen_ai.response.model": "a/model",
                "gen_ai.response.id": "gen-1",
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.response.time_to_first_chunk": IsFloat(gt=0),
                "gen_ai.usage.input_tokens": 1,
                "gen_ai.usage.output_tokens": 6,
            }
        ),
        more_in_1={"gen_ai.request.max_tokens": 512},
        streamed=True,
    ),
    Operation(
        "embeddings",
        lambda client: client.embeddings.create(model=MODEL, input="Hello"),
        asked=snapshot(
            {
                "name": "embeddings a/model",
                "gen_ai.operation.name": "embeddings",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot({"gen_ai.response.model": "a/model", "gen_ai.usage.input_tokens": 1}),
    ),
    Operation(
        "rerank",
        lambda client: client.rerank.create(model=MODEL, query="Hello", documents=["Hi", "Bye"]),
        asked=snapshot(
            {
                "name": "rerank a/model",
                "gen_ai.operation.name": "rerank",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot(
            {
                "gen_ai.response.model": "a/model",
                "gen_ai.response.id": "gen-1",
                "gen_ai.usage.input_tokens": 1,
                "gen_ai.usage.output_tokens": 0,
            }
        ),
    ),
    Operation(
        "image generation",
        lambda client: client.images.generate(model=MODEL, prompt="A pelican", n=2),
        asked=snapshot(
            {
                "name": "image_generation a/model",
                "gen_ai.operation.name": "image_generation",
                "gen_ai.request.choice.count": 2,
                "gen_ai.output.type": "image",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot({"gen_ai.response.model": "a/model", "gen_ai.response.id": "gen-1"}),
    ),
    Operation(
        "speech",
        lambda client: client.audio.speech.create(model=MODEL, input="Hello", voice="a voice"),
        asked=snapshot(
            {
                "name": "speech a/model",
                "gen_ai.operation.name": "speech",
                "gen_ai.output.type": "speech",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot({}),
    ),
    Operation(
        "speech, streamed",
        lambda client: client.audio.speech.create(
            model=MODEL, input="Hello", voice="a voice", stream=True
        ),
        asked=snapshot(
            {
                "name": "speech a/model",
                "gen_ai.operation.name": "speech",
                "gen_ai.request.stream": True,
                "gen_ai.output.type": "speech",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot(
            {
                "gen_ai.response.model": "a/model",
                "gen_ai.response.time_to_first_chunk": IsFloat(gt=0),
            }
        ),
        streamed=True,
        async_in_1=False,  # it does not take its own async stream
    ),
    Operation(
        "transcription",
        lambda client: client.audio.transcriptions.create(model=MODEL, file=sound()),
        asked=snapshot(
            {
                "name": "transcription a/model",
                "gen_ai.operation.name": "transcription",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot({}),
        more_in_1={"gen_ai.request.temperature": 0.0},
    ),
    Operation(
        "translation",
        lambda client: client.audio.translations.create(model=MODEL, file=sound()),
        asked=snapshot(
            {
                "name": "translation a/model",
                "gen_ai.operation.name": "translation",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot({}),
        more_in_1={"gen_ai.request.temperature": 0.0},
    ),
    Operation(
        "video generation",
        lambda client: client.videos.create(model=MODEL, prompt="A pelican"),
        asked=snapshot(
            {
                "name": "video_generation a/model",
                "gen_ai.operation.name": "video_generation",
                "gen_ai.output.type": "video",
                "gen_ai.request.model": "a/model",
            }
        ),
        told=snapshot({"gen_ai.response.model": "a/model", "gen_ai.response.id": "gen-1"}),
    ),
    Operation(
        "video generation, polled",
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
        asked=snapshot({"name": "videos.retrieve", "gen_ai.operation.name": "videos.retrieve"}),
        told=snapshot({"gen_ai.response.model": "a/model", "gen_ai.response.id": "video-1"}),
    ),
    Operation(
        "models.list",
        lambda client: client.models.list(),
        asked=snapshot(
            {
                "name": Is(f"{OF_A_PROJECT}models.list"),
                "gen_ai.operation.name": Is(f"{OF_A_PROJECT}models.list"),
            }
        ),
        told=snapshot({}),
    ),
    Operation(
        "files.retrieve",
        lambda client: client.files.retrieve("file-1"),
        asked=snapshot({"name": "files.retrieve", "gen_ai.operation.name": "files.retrieve"}),
        told=snapshot({"gen_ai.response.id": "file-1"}),
    ),
    Operation(
        "batches.list",
        lambda client: client.batches.list_batches() if GENERATION == 1 else client.batches.list(),
        asked=snapshot({"name": "batches.list", "gen_ai.operation.name": "batches.list"}),
        told=snapshot({}),
    ),
    Operation(
        "fine_tuning.retrieve",
        lambda client: client.fine_tuning.retrieve("ft-1"),
        asked=snapshot(
            {"name": "fine_tunes.retrieve", "gen_ai.operation.name": "fine_tunes.retrieve"}
        ),
        told=snapshot({}),
    ),
    Operation(
        "endpoints.list",
        lambda client: client.endpoints.list(),
        body={"object": "list", "data": []},
        asked=snapshot(
            {
                "name": Is(f"{OF_A_PROJECT}endpoints.list"),
                "gen_ai.operation.name": Is(f"{OF_A_PROJECT}endpoints.list"),
            }
        ),
        told=snapshot({}),
        async_in_1=False,  # it has none
    ),
]
