"""Another instrumentation of `together` in the process: one warning, and no harm."""

import logging
import types

import pytest
import together
import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from together_otel import TogetherInstrumentor
from together_otel.testing.server import TogetherServer
from together_otel.testing.telemetry import CapturedTelemetry

KEY = "tgp_" + "v1_" + "a1B2" * 10 + "xyz"


@pytest.fixture
def instrument(telemetry):
    """Turn ours on; off afterwards."""

    def turn_on():
        TogetherInstrumentor().instrument(
            tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
        )

    yield turn_on
    TogetherInstrumentor().uninstrument()


@pytest.fixture
def telemetry():
    """What ours emits."""
    with CapturedTelemetry() as captured:
        yield captured


@pytest.fixture
def client():
    """A client whose key is good."""
    with TogetherServer(keys=[KEY]) as server:
        made = together.Together(api_key=KEY, base_url=server.url, max_retries=0)
        yield made
        made.close()


@pytest.fixture
def theirs():
    """An instrumentor such as OpenTelemetry's entry points load, not turned on yet."""

    class TheirTogetherInstrumentor(BaseInstrumentor):
        def instrumentation_dependencies(self):
            return ()

        def _instrument(self, **_):
            wrapt.wrap_function_wrapper(together.Together, "post", passing_through)

        def _uninstrument(self, **_):
            together.Together.post = together.Together.post.__wrapped__

    TheirTogetherInstrumentor.__module__ = "theirs.instrumentation"
    made = TheirTogetherInstrumentor()
    yield made
    made.uninstrument()


def passing_through(wrapped, _instance, args, kwargs):
    """Stand in for a wrapper that tells."""
    return wrapped(*args, **kwargs)


def warnings_of(caplog):
    """Return the modules that were warned of."""
    return [
        record.args[0]
        for record in caplog.records
        if record.levelno == logging.WARNING
        and "also instruments" in str(record.msg)
        and record.args
    ]


def ask(client):
    """Make a call."""
    client.chat.completions.create(model="a/model", messages=[{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("theirs_first", [True, False], ids=["theirs first", "ours first"])
def test_one_warning_names_it(theirs_first, instrument, theirs, client, telemetry, caplog):
    """Whichever was first, and however many calls are made; each call has one span of ours."""
    turn_on = [theirs.instrument, instrument]
    for one in turn_on if theirs_first else reversed(turn_on):
        one()
    ask(client)
    ask(client)

    assert warnings_of(caplog) == ["theirs.instrumentation"]
    assert [span["name"] for span in telemetry.spans()] == ["chat a/model"] * 2


def test_one_without_an_instrumentor(instrument, client, caplog, monkeypatch):
    """A plain function in the constructor's place is known by the module that it is from."""
    module = types.ModuleType("some_otel.instrumentors")
    module.__dict__["original"] = together.Together.__init__
    exec(  # noqa: S102 - a function of another module's
        "def replacement(self, *args, **kwargs): original(self, *args, **kwargs)", module.__dict__
    )
    monkeypatch.setattr(together.Together, "__init__", module.__dict__["replacement"])
    instrument()
    ask(client)

    assert warnings_of(caplog) == ["some_otel.instrumentors"]


def test_none(instrument, client, caplog, monkeypatch):
    """Ours alone, turned on twice, or under an application's own patch, is nothing to warn of."""
    monkeypatch.setattr(
        together._base_client.SyncAPIClient, "request", together._base_client.SyncAPIClient.request
    )
    instrument()
    instrument()
    ask(client)

    assert warnings_of(caplog) == []
