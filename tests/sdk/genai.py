"""OpenTelemetry's GenAI conventions 0.1.0 as data, and checks of telemetry against them."""

import json
from fnmatch import fnmatch
from pathlib import Path

from capturing import plain
from opentelemetry.sdk.metrics.export import Histogram, Sum

from together_otel.names import INFERENCE_OPERATIONS

_FOLDER = Path(__file__).parent.parent / "data" / "genai"


def _read(name):
    return json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))


DATA = _read("genai-0.1.0")

DURATIONS = [
    f"gen_ai.client.{family}.duration" for family in ("inference", "embeddings", "operation")
]

OURS = {
    "gen_ai.provider.name=together": "the conventions have no value for it and allow others",
    "gen_ai.operation.name=image_generation": "no operation of theirs is only images",
    "gen_ai.operation.name=rerank": "retrieval is a pipeline of a framework, not this request",
    "gen_ai.operation.name=speech": "no operation of theirs makes speech",
    "gen_ai.operation.name=transcription": "no operation of theirs makes text of speech",
    "gen_ai.operation.name=translation": "no operation of theirs makes text of speech",
    "gen_ai.operation.name=video_generation": "no operation of theirs is only videos",
    "gen_ai.operation.name=*.*": "requests that manage resources: no operation of theirs applies",
    "gen_ai.output.type=video": "their list has no value for videos",
    "http.response.status_code": "the server's answer, from the HTTP conventions",
    "http.request.resend_count": "attempts of the SDK, from the HTTP conventions",
    "together.client.library": "which client the request was made by",
    "together.request.outcome": "success or a class of failure, which error.type does not give",
    "together.request.id": "what Together's support asks for",
    "together.ratelimit.*": "quotas, of which the conventions have nothing",
    "together.auth.*": "why authentication failed",
    "together.api_key.*": "which key was used, without the key",
}
"""Attributes, or ``attribute=value``, that the conventions do not have → the reason."""

NOT_EMITTED = {
    "gen_ai.conversation.id": "only the Responses API names one; span processors may add it",
    "gen_ai.conversation.compacted": "Together compacts nothing",
    "gen_ai.prompt.name": "Together has no named templates",
    "gen_ai.prompt.version": "Together has no named templates",
    "gen_ai.prompt.variable.<key>": "Together has no named templates",
    "gen_ai.request.previous_response.id": "only the Responses API has such a field, of which together has no method",
    "gen_ai.usage.cache_write.input_tokens": "Together reports none",
    "gen_ai.usage.{text,image,audio}.{input,output}_tokens": "Together reports no modalities",
    "gen_ai.usage.{text,image,audio}.cache_read.input_tokens": "Together reports no modalities",
    "gen_ai.client.inference.usage.cache_write.input_tokens": "Together reports none",
    "gen_ai.retrieval.duration": "a framework's pipeline, not a request of a client",
}
"""Attributes and metrics of the conventions that no method of together emits → the reason."""

_KINDS = {"string": str, "int": int, "double": float, "boolean": bool}

MESSAGES = {
    "gen_ai.input.messages": _read("gen-ai-input-messages"),
    "gen_ai.output.messages": _read("gen-ai-output-messages"),
    "gen_ai.system_instructions": _read("gen-ai-system-instructions"),
    "gen_ai.tool.definitions": _read("gen-ai-tool-definitions"),
}
"""Attribute → the JSON schema of what it holds."""


def of_span(operation):
    """Return the type of span that an operation's is."""
    return "gen_ai.client.embeddings" if operation == "embeddings" else "gen_ai.client.inference"


def attributes_of(span_type):
    """Return all attributes, of any requirement level, of a type of span."""
    levels = ("required", "conditional", "recommended", "opt_in")
    return {name for level in levels for name in DATA["spans"][span_type][level]}


def _is_ours(told):
    return any(fnmatch(told, pattern) for pattern in OURS)


def check_attributes(found, known):
    """Check names, exact types and values: they are the conventions', or ours with a reason."""
    assert not found.keys() & set(DATA["removed"])
    for name, value in found.items():
        if name not in known:
            assert _is_ours(name), name
            continue
        kind = DATA["attribute_types"][name]
        if kind == "string[]":
            assert type(value) is tuple, name
            assert {type(one) for one in value} == {str}, name
        elif kind != "any":
            assert type(value) is _KINDS[kind], name
        if name in DATA["enums"] and name != "error.type":
            assert value in DATA["enums"][name] or _is_ours(f"{name}={value}"), (name, value)
    assert ("server.port" in found) == ("server.address" in found)


def check_span(span, at_start):
    """Check a CLIENT span.

    Args:
        span: that has ended.
        at_start: the attributes that the sampler was given.
    """
    found = dict(span.attributes or {})
    operation, model = found["gen_ai.operation.name"], found.get("gen_ai.request.model")
    span_type = of_span(operation)
    check_attributes(found, attributes_of(span_type))
    assert found.keys() >= set(DATA["spans"][span_type]["required"])
    assert span.kind.name in DATA["spans"][span_type]["kind"]
    assert span.name == (operation if model is None else f"{operation} {model}")
    assert (span.status.status_code.name == "ERROR") == ("error.type" in found)
    assert span.instrumentation_scope.schema_url == DATA["schema_url"]["value"]
    for name in DATA["sampling"]:
        assert (name in at_start, at_start.get(name)) == (name in found, found.get(name))
    assert found.get("gen_ai.request.stream", True) is True
    assert found.get("gen_ai.request.choice.count") != 1
    for name in ("cache_read.input_tokens", "reasoning.output_tokens"):
        assert found.get(f"gen_ai.usage.{name}") != 0
    for name, schema in MESSAGES.items():
        if name in found:
            check_content(json.loads(found[name], parse_constant=_not_json), schema)


def _not_json(constant):
    raise AssertionError(f"{constant} is not JSON")


def check_metric(metric):
    """Check a metric; of one that is ours, its attributes."""
    assert metric.name not in DATA["removed"]
    is_theirs = metric.name.startswith("gen_ai.")
    names = {"gen_ai.operation.name", "gen_ai.request.model"}
    if is_theirs:
        about = DATA["metrics"][metric.name]
        levels = {}
        for group in about["attributes"].split("+"):
            levels |= DATA["metric_attributes"][group]
        names = set(levels)
        assert metric.unit == about["unit"]
        if about["instrument"] == "counter":
            assert isinstance(metric.data, Sum)
            assert metric.data.is_monotonic
        else:
            assert isinstance(metric.data, Histogram)
    for point in metric.data.data_points:
        found = dict(point.attributes or {})
        if not is_theirs:
            gen_ai = {name: found[name] for name in found if name.startswith("gen_ai.")}
            check_attributes(gen_ai, set(DATA["attribute_types"]))
            continue
        check_attributes(found, names)
        assert found.keys() <= names
        assert found.keys() >= {name for name in levels if levels[name] == "required"}
        assert _family(found["gen_ai.operation.name"]) == metric.name.split(".")[2]
        if about["instrument"] == "counter":
            assert type(point.value) is int
        else:
            assert point.explicit_bounds == tuple(DATA["buckets"][about["buckets"]])


def _family(operation):
    """Return which family of metrics an operation's are."""
    if operation in INFERENCE_OPERATIONS:
        return "inference"
    return "embeddings" if operation == "embeddings" else "operation"


def check_event(name, severity, found):
    """Check a LogRecord of the conventions': its name, severity number and attributes."""
    event = DATA["events"][name]
    assert severity == event["severity"]
    known = attributes_of(of_span(found["gen_ai.operation.name"]))
    known |= {*event.get("conditional", ()), *event.get("recommended", ())}
    check_attributes(found, known)
    assert found.keys() >= set(event.get("recommended", ()))
    for attribute, schema in MESSAGES.items():
        if attribute in found:
            check_content(plain(found[attribute]), schema)


def check_content(items, schema):
    """Check messages, instructions or tools, each part by the definition that its type names."""
    assert list(faults(items, schema, schema)) == []
    assert items
    for item in items:
        for part in item.get("parts", (item,)):
            assert list(faults(part, _definition(part["type"], schema), schema)) == [], part


def _definition(kind, schema):
    """Return what a part of a type must be; any object with a type if nothing names it."""
    for definition in schema["$defs"].values():
        if definition.get("properties", {}).get("type", {}).get("const") == kind:
            return definition
    return {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}


_JSON = {"object": dict, "array": list, "string": str, "null": type(None)}
_APPLIED = {*("$ref", "anyOf", "not", "type", "const", "enum", "required", "properties", "items")}
_SAID = {
    *("$defs", "title", "description", "default", "deprecated", "format", "additionalProperties")
}
"""Keywords that refuse nothing in these schemas."""


def faults(value, schema, root):
    """Yield what a JSON schema finds wrong with a value.

    Args:
        value: parsed JSON.
        schema: in `root`; of keywords that this function does not know it complains.
        root: where references are found; those to other documents mean any object.
    """
    assert schema.keys() <= _APPLIED | _SAID, schema.keys()
    assert schema.get("additionalProperties", True) is True
    if (reference := schema.get("$ref")) is not None:
        inside = reference.startswith("#/$defs/")
        target = root["$defs"][reference[8:]] if inside else {"type": "object"}
        yield from faults(value, target, root)
    if "anyOf" in schema and all(list(faults(value, one, root)) for one in schema["anyOf"]):
        yield f"{value!r} is none of anyOf"
    if "not" in schema and not list(faults(value, schema["not"], root)):
        yield f"{value!r} is what it must not be"
    if "type" in schema and type(value) is not _JSON[schema["type"]]:
        yield f"{value!r} is no {schema['type']}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is not listed"
    yield from (f"{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from faults(value[name], inner, root)
    for item in value if "items" in schema else ():
        yield from faults(item, schema["items"], root)
