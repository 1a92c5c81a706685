"""Every method of the installed SDK, by introspection; what to call it with, what it came to."""

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass
from typing import Any

from generation import MESSAGES, MODEL

NOT_CALLS = {"copy", "with_options"}
"""What a client has beside methods that ask Together something."""

TWINS = {"with_raw_response", "with_streaming_response"}
"""The same methods once more: see test_raw_responses.py."""

COMPOSED = {"files.upload", "files.transfer"}
"""Spans beside those of Together's requests: of an upload, and of its bytes' way to storage."""

ID = "id-0123abcd"
TRAINING_FILE = "training.jsonl"

ARGUMENTS = {
    "audio.transcriptions.create": {"model": MODEL},
    "audio.translations.create": {"model": MODEL},
    "chat.completions.create": {"messages": MESSAGES},
    "clusters.create": {
        "billing_type": "ON_DEMAND",
        "cluster_name": "mine",
        "cuda_version": "12.5",
        "driver_version": "CUDA_12_5_555",
        "gpu_type": "H100_SXM",
        "num_gpus": 8,
        "nvidia_version_id": "nvidia",
        "region": "us-central-8",
    },
    "evaluation.create": {
        "type": "classify",
        "judge_model_source": "serverless",
        "labels": ["good", "bad"],
        "pass_labels": ["good"],
    },
    "files.upload": {"file": TRAINING_FILE},
    # Its async twin forgets the default of lora_r.
    "fine_tuning.create": {"model": MODEL, "lora_r": 8},
}
"""What annotations do not tell: unions of required arguments, files, words of closed sets.

A generation takes those that its method knows.
"""


@dataclass
class Called:
    """What a call of one method came to: requests to Together, and CLIENT spans."""

    asked: list[tuple[int, str, str]]
    """Number, method and path of each request; what goes to storage is not among them."""
    spans: list[dict[str, Any]]
    error: Exception | None

    @property
    def operations(self):
        return [span["attributes"]["gen_ai.operation.name"] for span in self.spans]

    @property
    def own_spans(self):
        """The spans of requests to Together."""
        named = zip(self.operations, self.spans, strict=True)
        return [span for operation, span in named if operation not in COMPOSED]

    def shapes(self):
        """Return method, path without ids and versions, and operation of each request."""
        found = []
        for (_, method, path), span in zip(self.asked, self.own_spans, strict=True):
            parts = [part for part in re.sub(f"{ID}|file-1", "{}", path).split("/") if part]
            shape = "/".join(part for part in parts if not re.fullmatch(r"v\d", part))
            found.append((method, shape, span["attributes"]["gen_ai.operation.name"]))
        return found


def methods(resource, path=()):
    """Yield name and bound method of everything that a client can be asked."""
    cls = type(resource)
    # What the client has from its base class are the means, such as `post`.
    skipped = {*NOT_CALLS, *TWINS, *(() if path else dir(cls.__base__))}
    for name in sorted({*dir(cls), *vars(resource)} - skipped):
        static = inspect.getattr_static(resource, name)
        if name.startswith("_") or isinstance(static, (staticmethod, classmethod)):
            continue
        value = getattr(resource, name)
        if inspect.ismethod(value):
            yield ".".join((*path, name)), value
        elif type(value).__module__.startswith("together.resources"):
            yield from methods(value, (*path, name))


def resource_classes(*, is_async):
    """Yield the SDK's classes that have methods of their own, twins apart."""
    package = importlib.import_module("together.resources")
    for found in pkgutil.walk_packages(package.__path__, "together.resources."):
        for name, cls in vars(importlib.import_module(found.name)).items():
            if not inspect.isclass(cls) or cls.__module__ != found.name or "Response" in name:
                continue
            own = (one for one, value in vars(cls).items() if inspect.isfunction(value))
            if name.startswith("Async") == is_async and any(one[0] != "_" for one in own):
                yield cls


def arguments(name, method, identifier):
    """Return something for every parameter that has no default: by the table, or its annotation.

    Args:
        name: the method's, as `methods` yields it.
        method: the bound method.
        identifier: what to give for text of any kind.
    """
    parameters = inspect.signature(method).parameters
    told = ARGUMENTS.get(name.removeprefix("beta."), {})
    given = {parameter: value for parameter, value in told.items() if parameter in parameters}
    for parameter in parameters.values():
        if parameter.default is not parameter.empty or parameter.name in given:
            continue
        if parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
            given[parameter.name] = _something(parameter, identifier)
    return given


def _something(parameter, identifier):
    kind = str(parameter.annotation)
    if parameter.name == "model":
        return MODEL
    if "FileTypes" in kind or "BinaryIO" in kind:
        return b"RIFF"
    if "int" in kind and "str" not in kind:
        return 1
    if any(word in kind for word in ("Iterable", "List", "Sequence")):
        return []
    return identifier
