"""Spans that others begin inside a call: as without us, but for the key."""

import pytest
from generation import GENERATION, Sdk

from together_otel import uninstrument

pytestmark = pytest.mark.skipif(GENERATION == 1, reason="1.x has no hooks for requests")


class Shown:
    """An object whose text has the key."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def attributes(key):
    """Return attributes of all kinds, some of which no span takes."""
    return [
        (5, "not a name"),
        ("", "empty"),
        (None, "none"),
        ("bytes", b"plain"),
        ("list", ["a", 1, None]),
        ("nested", {"a": {"text": f"Bearer {key}", "number": 1}}),
        ("nested.header", {"authorization": "opaque", "other": "b"}),
        ("object", Shown(f"is {key}")),
        ("plain object", Shown("is none")),
        ("key", key.encode()),
        ("authorization", 7),
    ]


def recorded(telemetry):
    """Return the values of all attributes, by the place and the name of each."""
    found = {}
    for span in telemetry.finished_spans():
        if span.instrumentation_scope.name == "another":
            for place in (span, *span.events):
                found |= {(place.name, name): value for name, value in place.attributes.items()}
    return found


def test_attributes_of_every_kind(server, key, telemetry):
    """Set one by one and all at once; what OpenTelemetry takes for none, it drops by itself."""
    tracer = telemetry.tracer_provider.get_tracer("another")
    sdk = Sdk(server, is_async=False)

    def hook(_request):
        with tracer.start_as_current_span("by one") as span:
            for name, value in attributes(key):
                span.set_attribute(name, value)
        with tracer.start_as_current_span("at once", attributes=dict(attributes(key))) as span:
            span.add_event("event", dict(attributes(key)))

    client = sdk.client(api_key=key)
    client._client.event_hooks = {"request": [hook]}
    sdk.chat(client)
    inside = recorded(telemetry)
    assert key not in str(inside)
    uninstrument()
    telemetry.clear()
    sdk.chat(client)
    outside = recorded(telemetry)
    shown = {name for name, value in outside.items() if key in str(value)}
    assert len(shown) > 2
    shown |= {place for place in outside if place[1] == "nested.header"}
    assert inside.keys() == outside.keys()
    assert [name for name in inside if inside[name] != outside[name] and name not in shown] == []
    sdk.close()
