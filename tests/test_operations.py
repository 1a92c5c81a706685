"""Names of operations: the conventions' own, and never an id in one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from together_otel.clients import operations
from together_otel.clients.operations import GENERATIVE, PATHS, operation_of
from together_otel.names import OTHER

_AB = "projects.endpoints.ab_experiments"


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("post", "/v1/chat/completions", "chat"),
        ("POST", "chat/completions", "chat"),
        ("post", "https://api-inference.together.ai/v1/chat/completions", "chat"),
        ("post", "/v1/completions", "text_completion"),
        ("post", "/inference", "text_completion"),
        ("post", "/v1/files/upload", "files.upload"),
        ("post", "/v1/embeddings", "embeddings"),
        ("post", "/v1/rerank", "rerank"),
        ("post", "/v1/images/generations", "image_generation"),
        ("post", "/v1/audio/speech", "speech"),
        ("post", "/v1/audio/transcriptions", "transcription"),
        ("post", "/v1/audio/translations", "translation"),
        ("post", "/v2/videos", "video_generation"),
        ("get", "/v1/models", "models.list"),
        ("get", "/v1/models?dedicated=true", "models.list"),
        ("get", "/v1/models?from=https://example.com/v1/files", "models.list"),
        ("get", "/v1/realtime?model=a", "realtime.connect"),
        ("get", "/v3/whoami", "whoami"),
        ("get", "/v1/files", "files.list"),
        ("get", "/v1/files/file-0123abcd", "files.retrieve"),
        ("get", "/v1/files/file-0123abcd/content", "files.content"),
        ("delete", "/v1/files/file-0123abcd", "files.delete"),
        ("post", "/v1/fine-tunes", "fine_tunes.create"),
        ("post", "/v1/fine-tunes/ft-12/cancel", "fine_tunes.cancel"),
        ("get", "/v2/projects/prj-1/endpoints", "projects.endpoints.list"),
        ("patch", "/v1/endpoints/endpoint-abc", "endpoints.update"),
        ("post", "../v2/videos", "video_generation"),
        ("get", "../v2/videos/video-1", "videos.retrieve"),
        ("get", "/v2/projects/prj-1/endpoints/ep-1/abExperiments", f"{_AB}.list"),
        ("patch", "/v2/projects/prj-1/endpoints/ep-1/abExperiments/ab-1", f"{_AB}.update"),
        (
            "post",
            "/v1/shaping/prepare-for-fp4-inference",
            "shaping.prepare_for_fp4_inference.create",
        ),
        ("post", "/v1/files/multipart/initiate", "files.multipart.initiate"),
        ("get", "https://api.together.ai/v1/models?dedicated=true", "models.list"),
        # by a gateway
        ("post", "https://gateway.example/together/v1/chat/completions", "chat"),
        ("get", "/v1/of-shop/together/v2/projects/prj-1/endpoints", "_other"),
        ("get", "/ai/together/v1/models/v1", "models.retrieve"),
    ],
)
def test_operation(method, path, name):
    assert operation_of(method, path) == name


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("get", "/v1/files/production", "files.retrieve"),
        ("get", "/v1/files/files", "files.retrieve"),
        ("get", "/v1/files/content/content", "files.content"),
        ("get", "/v1/files/meta/production/content", "files.content"),
        ("post", "/v1/fine-tunes/models/cancel", "fine_tunes.models.update"),
        ("get", "/v2/projects/models/endpoints/deployments/events", "projects.endpoints.events"),
        ("get", "/v1/deployments/production/revisions/secrets", "deployments.revisions.retrieve"),
    ],
)
def test_an_id_may_look_like_a_word(method, path, name):
    """Only the words that the API has in the very place are words, as for its own router."""
    assert operation_of(method, path) == name


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("get", "/v1/agents", "_other"),
        ("get", "/v1/agents/production/files", "_other"),
        ("post", "/v1/files/file-1/restore", "files.update"),
        ("get", "/v1/files/{}/{}", "files.retrieve"),
        ("get", "/v1/0123abcd", "_other"),
        ("get", "/v1/https:/storage/production", "_other"),
        ("get", "/", "_other"),
        ("options", "/v1/files", "_other"),
        ("post ", "/v1/chat/completions", "_other"),
    ],
)
def test_paths_that_nobody_knows_yet(method, path, name):
    """What follows a known word may be an id, and is taken for one; the rest is one operation."""
    assert operation_of(method, path) == name


_SEGMENT = st.one_of(
    st.text(min_size=1),
    st.sampled_from(sorted({part for path in PATHS.split() for part in re.split("[/|]", path)})),
)


@given(st.text(), st.lists(_SEGMENT).map("/".join))
def test_nothing_of_a_path_that_is_not_a_word_of_ours_is_in_an_operation(method, path):
    """Any text as method and path gives words of this package alone, of which there are few."""
    ours = {OTHER, *GENERATIVE.values(), "list", "retrieve", "create", "update", "delete"}
    for word in re.split(r"[\s/|]+", PATHS):
        ours.add(re.sub("(?<=[a-z])(?=[A-Z])", "_", word).lower().replace("-", "_"))

    for verb in (method, "get", "post"):
        name = operation_of(verb, path)
        assert name in ours or set(name.split(".")) <= ours


@pytest.mark.parametrize("path", sorted(GENERATIVE))
def test_paths_of_generative_operations_are_looked_at_once(path):
    """They are most of what is called."""
    operation_of("post", f"/v1/{path}")
    assert operations.OPERATIONS["post", f"/v1/{path}"] == GENERATIVE[path]


def test_paths_with_ids_are_not_kept():
    """What a caller puts into a path, a key in the wrong place perhaps, does not stay in memory."""
    for path in ("/v1/files/made-up", "/v1/models?key=made-up", "https://made-up/v1/models"):
        operation_of("get", path)
    assert "made-up" not in str(operations.OPERATIONS)
