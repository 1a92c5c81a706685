"""An instrumented SDK of whichever generation is installed, and a server for it."""

import pytest
from capturing import CAPTURE
from generation import GENERATION, RELEASE, Sdk
from in_house import House
from recovering import OLD, Lab

from together_otel.testing import behaviours
from together_otel.testing.server import TogetherServer


def pytest_collection_modifyitems(items):
    """Let 1.x leave its HTTP session open, which whichever test runs at the time would fail of."""
    if GENERATION == 1:
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore:[Uu]nclosed:ResourceWarning"))


@pytest.fixture(params=["sync", "async"])
def sdk(request, server):
    """The installed SDK's client, once sync and once async."""
    made = Sdk(server, is_async=request.param == "async")
    yield made
    made.close()


@pytest.fixture
def lab(sdk, server, key, telemetry):
    """All four, for the tests of recovery."""
    return Lab(sdk, server, key, telemetry)


@pytest.fixture
def tracer(telemetry):
    """The application's own tracer."""
    return telemetry.tracer_provider.get_tracer("application")


@pytest.fixture
def options(server):
    """What clients of one's own are made with: a key that is refused."""
    return {"api_key": OLD, "base_url": server.base_url_for(RELEASE), "max_retries": 0}


@pytest.fixture
def captured(monkeypatch):
    """What is said is captured, wherever it can be."""
    monkeypatch.setenv(CAPTURE, "SPAN_AND_EVENT")


@pytest.fixture
def house(monkeypatch, key):
    """An in-house package, to be built."""
    made = House(monkeypatch, key)
    yield made
    made.close()


@pytest.fixture
def in_house(server, monkeypatch):
    """The stand-in for the report's `together_ai`, pointed at the loopback server."""
    monkeypatch.setenv("TOGETHER_BASE_URL", server.base_url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    import together_ai  # noqa: PLC0415 - after the instrumentation

    return together_ai


@pytest.fixture
def storage():
    """Another server, which takes whatever comes: it knows no keys."""
    with TogetherServer() as running:
        running.always(behaviours.accept())
        yield running
