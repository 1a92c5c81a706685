"""Names of operations: the conventions' own, and never an id in one."""

from __future__ import annotations

import pytest

from together_otel.sdk.operations import operation_of


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("post", "/v1/chat/completions", "chat"),
        ("POST", "chat/completions", "chat"),
        ("post", "https://api-inference.together.ai/v1/chat/completions", "chat"),
        ("post", "/v1/completions", "text_completion"),
        ("post", "/v1/embeddings", "embeddings"),
        ("post", "/v1/rerank", "rerank"),
        ("post", "/v1/images/generations", "image_generation"),
        ("post", "/v1/audio/speech", "speech"),
        ("post", "/v1/audio/transcriptions", "transcription"),
        ("post", "/v1/audio/translations", "translation"),
        ("post", "/v2/videos", "video_generation"),
        ("get", "/v1/models", "models.list"),
        ("get", "/v1/models?dedicated=true", "models.list"),
        ("get", "/v3/whoami", "whoami"),
        ("get", "/v1/files", "files.list"),
        ("get", "/v1/files/file-0123abcd", "files.retrieve"),
        ("get", "/v1/files/file-0123abcd/content", "files.content"),
        ("delete", "/v1/files/file-0123abcd", "files.delete"),
        ("post", "/v1/fine-tunes", "fine_tunes.create"),
        ("post", "/v1/fine-tunes/ft-12/cancel", "fine_tunes.cancel"),
        ("get", "/v2/projects/prj-1/endpoints", "projects.endpoints.list"),
        ("patch", "/v1/endpoints/endpoint-abc", "endpoints.update"),
        ("get", "/", "request"),
    ],
)
def test_operation(method: str, path: str, name: str) -> None:
    assert operation_of(method, path) == name
