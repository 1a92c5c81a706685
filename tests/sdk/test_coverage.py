"""Every method of the installed SDK is seen: found by introspection, so a new one is too."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from generation import GENERATION, MODEL, Sdk

from together_otel.testing import behaviours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from together_otel.testing.server import TogetherServer
    from together_otel.testing.telemetry import CapturedTelemetry

NOT_CALLS = {
    "agent_headers",
    "base_url",
    "close",
    "copy",
    "is_closed",
    "max_retries",
    "platform_headers",
    "timeout",
    "with_options",
    "with_raw_response",
    "with_streaming_response",
}
"""What a client has beside methods that ask Together something."""

VERBS = {"delete", "get", "get_api_list", "patch", "post", "put", "request"}
"""The client's own generic methods; a resource's of the same name are calls."""

OTHER_ROADS = re.compile(
    r"beta\.realtime\."  # a websocket
    r"|files\.upload|.*\.(?:upload|download)$"  # several requests; the transfer goes elsewhere
    r"|code_interpreter\.|fine_tuning\.(?:create|download|content)"  # ask for more than a string
)
"""Methods that make no single request through the choke point."""

ID = "id-0123abcd"


def methods(resource: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield name and bound method of everything that a client can be asked."""
    names = {*dir(type(resource)), *vars(resource)}
    for name in sorted(names):
        if name.startswith("_") or name in NOT_CALLS or (name in VERBS and not path):
            continue
        found = inspect.getattr_static(resource, name, None)
        if isinstance(found, (property, staticmethod, classmethod)) or inspect.isclass(found):
            continue
        value = getattr(resource, name)
        if inspect.ismethod(value):
            yield ".".join((*path, name)), value
        elif type(value).__module__.startswith("together.resources"):
            yield from methods(value, (*path, name))


def required(method: Any) -> dict[str, Any]:
    """Return something for every parameter that has no default, by its annotation."""
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is not inspect.Parameter.empty or parameter.kind in {
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        }:
            continue
        kind = str(parameter.annotation)
        if name == "model":
            given[name] = MODEL
        elif "FileTypes" in kind or "BinaryIO" in kind:
            given[name] = b"RIFF"
        elif "int" in kind and "str" not in kind:
            given[name] = 1
        elif any(word in kind for word in ("Iterable", "List", "Sequence")):
            given[name] = []
        else:
            given[name] = ID
    return given


def test_every_method_makes_one_span_without_an_id_in_its_name(
    sdk: Sdk,
    key: str,
    server: TogetherServer,
    telemetry: CapturedTelemetry,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """No method goes unseen, none is named `request`, none has an id or a model in its operation."""
    monkeypatch.setenv("TOGETHER_PROJECT_ID", "prj-0123abcd")
    monkeypatch.chdir(tmp_path)
    server.always(behaviours.usual())
    client = sdk.client(api_key=key)
    seen: dict[str, list[str]] = {}
    unusable: list[str] = []
    for name, method in methods(client):
        if OTHER_ROADS.match(name):
            continue
        telemetry.clear()
        before = len(server.requests)

        def call(method: Any = method) -> Any:
            return method(**required(method))

        try:
            sdk.run(call)
        except Exception:  # noqa: BLE001 - an answer that does not fit its model is still a call
            if len(server.requests) == before:
                unusable.append(name)
                continue
        seen[name] = [
            span["attributes"]["gen_ai.operation.name"]
            for span in telemetry.spans()
            if span["kind"] == "CLIENT"
        ]

    assert {name: spans for name, spans in seen.items() if len(spans) != 1} == {}
    bad = re.compile(r"request|.*(?:\d{3}|id_|prj|llama|Llama).*")
    assert {name: spans for name, spans in seen.items() if bad.fullmatch(spans[0])} == {}
    # What introspection alone cannot call: unions of required arguments.
    assert len(unusable) <= 5, unusable
    assert len(seen) >= {1: 30, 2: 45, 3: 150}[GENERATION], len(seen)
