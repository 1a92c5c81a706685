"""Every method of the installed SDK is seen: found by introspection, so a new one is too."""

import inspect
import json
import re
from collections import Counter
from types import SimpleNamespace

import pytest
from dirty_equals import IsPartialDict
from generation import GENERATION, MODEL, RELEASE
from measured import durations
from walk import ID, TRAINING_FILE, Called, arguments, methods, resource_classes

from together_otel.clients.operations import operation_of
from together_otel.testing import behaviours

pytestmark = [
    # 1.x says so of an argument's own default, and of itself.
    pytest.mark.filterwarnings("ignore:The 'disable_prompt_cache' parameter:UserWarning"),
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning"),
]

REALTIME = {"beta.realtime.connect", "beta.realtime.transcription"}
"""Websockets, for which it takes another server: see test_realtime.py."""

HAND_WRITTEN = REALTIME | {"files.upload", "fine_tuning.create"}
"""Methods of 3.1.1 that its generator did not write; those that it did are 177."""

METHODS = {
    "1.4.5": 26,
    "1.5.35": 44,
    "1.6.0": 44,
    "2.0.0": 76,
    "2.42.0": 211,
    "3.0.0": 180,
    "3.1.1": 177 + len(HAND_WRITTEN),
}
"""How many methods a sync client has."""

UNREACHABLE = {"AsyncEndpoints", "AsyncSpeech"}
"""Classes of 1.x that the async clients of some of its releases do not offer."""

GENERATIVE = {
    "chat.completions.create": "chat",
    "completions.create": "text_completion",
    "embeddings.create": "embeddings",
    "rerank.create": "rerank",
    "images.generate": "image_generation",
    "audio.speech.create": "speech",
    "audio.transcriptions.create": "transcription",
    "audio.translations.create": "translation",
    "videos.create": "video_generation",
}
"""Methods whose operations are named by the contract; paths name the others."""

LATER = {
    "sync": {"audio.transcriptions.create", "audio.translations.create", "videos.create"},
    "async": {name for name in GENERATIVE if name.startswith(("audio.", "videos."))},
}
"""Those that 1.4.5 does not have yet."""

ANSWERS = {
    "chat": "model id finish_reasons input_tokens output_tokens",
    "text_completion": "model id finish_reasons input_tokens output_tokens",
    "embeddings": "model input_tokens",
    "rerank": "model id input_tokens output_tokens",
    "image_generation": "model id",
    "speech": "",
    "transcription": "",
    "translation": "",
    "video_generation": "model id",
}
"""What the answers of those operations say, and their spans with them."""

WORDS = ("production", "files", "meta/production")
"""Ids that look like words of a path, and one that goes on like a path."""

ASKED_BY_THE_COMMAND_LINE = ("projects/{}/models/download", "projects/{}/models/upload")
"""Paths that no method of 3.x has, only its own command line."""

MODELS = {"gen_ai.request.model", "gen_ai.response.model"}


@pytest.fixture
def generative(sdk):
    """`GENERATIVE`, as far as this release has it."""
    later = LATER["async" if sdk.is_async else "sync"] if RELEASE == "1.4.5" else set()
    return {name: operation for name, operation in GENERATIVE.items() if name not in later}


_WALKED = {}


@pytest.fixture
def walked(sdk, request):
    """What every method came to; each kind of client is walked once, as it takes a second."""
    if sdk.is_async not in _WALKED:
        found = request.getfixturevalue("walk")()
        metrics = request.getfixturevalue("telemetry").metrics()
        _WALKED[sdk.is_async] = found, metrics, request.getfixturevalue("server").url
    return _WALKED[sdk.is_async][0]


@pytest.fixture
def walk(sdk, key, server, telemetry, monkeypatch, tmp_path):
    """Call every method, with an id of one's choice; return what each call came to."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / TRAINING_FILE).write_text(json.dumps({"text": "Hello"}) + "\n")
    # Storage gets no key, and the server is storage too.
    server.always(behaviours.accept())

    def called(name, method, identifier):
        telemetry.clear()
        server.requests.clear()
        error = None

        def made():
            return method(**arguments(name, method, identifier))

        async def awaited():
            # The code interpreter of 1.x is sync on async clients as well.
            return await answer if inspect.isawaitable(answer := made()) else answer

        try:
            sdk.run(awaited if sdk.is_async else made)
        except Exception as exc:  # noqa: BLE001 - an answer that does not fit its model is still a call
            error = exc
        received = [one for one in server.requests if not one.path.startswith("/storage/")]
        return Called(
            [(one.number, one.method, one.path.partition("?")[0]) for one in received],
            [span for span in telemetry.spans() if span["kind"] == "CLIENT"],
            error,
        )

    def every(identifier=ID):
        monkeypatch.setenv("TOGETHER_PROJECT_ID", identifier)
        client = sdk.client(api_key=key)
        found = {
            name: called(name, method, identifier)
            for name, method in methods(client)
            if name not in REALTIME
        }
        # What 1.x has on its async clients and does not do.
        undone = (NotImplementedError,) if GENERATION == 1 else ()
        return {name: one for name, one in found.items() if not isinstance(one.error, undone)}

    return every


def test_the_walk_leaves_nothing_out(sdk, key):
    """It meets every class of resources, and at least as many methods as are known of."""
    found = dict(methods(sdk.client(api_key=key)))

    met = {type(method.__self__) for method in found.values()}
    missed = {cls.__name__ for cls in resource_classes(is_async=sdk.is_async) if cls not in met}
    assert missed <= UNREACHABLE
    if not (sdk.is_async and GENERATION == 1):
        assert len(found) >= METHODS.get(RELEASE, 0)


def test_every_request_has_its_span(walked, sdk):
    """No method makes none; a span tells which request it is, where it went, how it ended."""
    assert {name: one.error for name, one in walked.items() if not one.spans} == {}
    requests = {name: [f"req-{number}" for number, *_ in one.asked] for name, one in walked.items()}
    assert requests == {
        name: [span["attributes"].get("together.request.id") for span in one.own_spans]
        for name, one in walked.items()
    }
    usual = IsPartialDict(
        {
            "gen_ai.provider.name": "together",
            "together.client.library": "together",
            "server.address": "127.0.0.1",
            "server.port": int(_WALKED[sdk.is_async][2].rpartition(":")[2]),
            "together.request.outcome": "success",
        }
    )
    spans = [(name, span["attributes"]) for name, one in walked.items() for span in one.spans]
    assert [(name, said) for name, said in spans if said != usual] == []


def test_names_of_the_contract(walked, generative):
    """What generates is named by the contract, and what consists of requests names each."""
    known = {name: one.operations for name, one in walked.items() if name in generative}
    assert known == {name: [operation] for name, operation in generative.items()}
    assert walked["fine_tuning.create"].error is None
    assert walked["fine_tuning.create"].operations == [
        "fine_tunes.models.limits.list",
        *(["fine_tunes.estimate_price"] if RELEASE != "1.4.5" else []),
        "fine_tunes.create",
    ]
    names = {name: one.spans[0]["name"] for name, one in walked.items() if name in generative}
    assert names == {name: f"{operation} {MODEL}" for name, operation in generative.items()}


def test_spans_tell_what_answers_say(walked, generative):
    """Of what generates: the model asked for, and all that the server's answers have of the rest."""
    told = {walked[name].operations[0]: walked[name].spans[0]["attributes"] for name in generative}

    asked = {operation: said["gen_ai.request.model"] for operation, said in told.items()}
    assert asked == dict.fromkeys(generative.values(), MODEL)
    answered = {
        operation: {
            name.rpartition(".")[2]
            for name in said
            if name.startswith(("gen_ai.response.", "gen_ai.usage."))
        }
        for operation, said in told.items()
    }
    assert answered == {
        operation: set(said.split()) for operation, said in ANSWERS.items() if operation in told
    }


def test_names_follow_the_paths(walked):
    """Every word of a path is in the name, nothing else is but a verb, and no two paths share one."""
    bad = {}
    shapes = {}
    for name, one in walked.items():
        for (method, shape, operation), span in zip(one.shapes(), one.own_spans, strict=True):
            shapes.setdefault(operation, set()).add((method, shape))
            path = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", shape.replace("/{}", "")).lower()
            words = re.escape(path.replace("/", ".").replace("-", "_"))
            named = re.fullmatch(words + r"(\.(create|delete|list|retrieve|update))?", operation)
            plain = re.fullmatch(
                r"[a-z_]+(\.[a-z_]+){,4}( \S+)?", span["name"].replace("fp4", "fp")
            )
            if not plain or not (named or operation in GENERATIVE.values()):
                bad[name] = (method, shape, operation)
    assert bad == {}
    assert {operation: paths for operation, paths in shapes.items() if len(paths) > 1} == {}


def test_no_id_is_in_a_name_or_a_label(walked, sdk):
    """What was given for ids and models is in no label but the models' own; each span is measured."""
    telemetry = SimpleNamespace(metrics=lambda: _WALKED[sdk.is_async][1])
    spans = [(name, span) for name, one in walked.items() for span in one.spans]
    assert [(name, span["name"]) for name, span in spans if ID in span["name"]] == []
    points = [(name, one) for name, found in telemetry.metrics().items() for one in found]
    labels = [
        (name, label, value)
        for name, one in points
        for label, value in one["attributes"].items()
        if ID in str(value) or (MODEL in str(value) and label not in MODELS)
    ]
    assert labels == []
    measured = Counter()
    for one in durations(telemetry):
        measured[one["attributes"]["gen_ai.operation.name"]] += one["count"]
    assert measured == Counter(name for one in walked.values() for name in one.operations)


def test_an_id_may_look_like_a_word(walked, walk):
    """The same methods with other ids have the same operations."""
    usual = {name: one.operations for name, one in walked.items()}
    other = [
        (word, name, one.operations)
        for word in WORDS
        for name, one in walk(word).items()
        if one.operations != usual[name]
    ]
    assert other == []


def test_an_id_may_be_any_word_of_any_path(walked):
    """It is never taken for one, unless the API itself has that word in the very place."""
    shapes = sorted({shape for one in walked.values() for shape in one.shapes()})
    paths = {*ASKED_BY_THE_COMMAND_LINE, *(path for _, path, _ in shapes)}
    words = {part for path in paths for part in path.split("/")} - {"{}"}
    taken = []
    for method, path, operation in shapes:
        for before in (path[: hit.start()] for hit in re.finditer(r"\{\}", path)):
            after = path[len(before) + 2 :].replace("{}", ID)
            beside = {
                other[len(before) :].split("/")[0] for other in paths if other.startswith(before)
            }
            for word in words - beside:
                named = operation_of(method, f"{before.replace('{}', ID)}{word}{after}")
                if named != operation:
                    taken.append((path, word, named))
    assert taken == []
