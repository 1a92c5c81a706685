"""An instrumented SDK of whichever generation is installed, and a server for it."""

from __future__ import annotations

import pytest
from generation import GENERATION, RELEASE, Sdk, made_up_key
from recovering import OLD, Lab


def pytest_collection_modifyitems(items):
    """Let 1.x leave its HTTP session open, which whichever test runs at the time would fail of."""
    if GENERATION == 1:
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore:[Uu]nclosed:ResourceWarning"))


@pytest.fixture
def key():
    return made_up_key()


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
def options(server):
    """What clients of one's own are made with: a key that is refused."""
    return {"api_key": OLD, "base_url": server.base_url_for(RELEASE), "max_retries": 0}
