"""A client of the openai package, and a server of Together's under Together's own host name."""

from importlib.util import find_spec

import pytest
from loopback import resolve_to_loopback
from reaching import ELSEWHERE, TOGETHER, Lab

from together_otel.testing.keys import MadeUpKeys

collect_ignore = [
    *(
        []
        if find_spec("openai")
        else [
            *("test_openai.py", "test_openai_keys.py", "test_openai_invisible.py"),
            "test_client_drill.py",
            "test_openai_realtime.py",
        ]
    ),
    *([] if find_spec("crewai") else ["test_heavy_frameworks.py"]),
    *([] if find_spec("langchain_together") else ["test_frameworks.py", "test_missing_keys.py"]),
]


@pytest.fixture(autouse=True)
def no_variables_of_openai(monkeypatch):
    for name in ("ADMIN_KEY", "BASE_URL", "API_BASE", "CUSTOM_HEADERS", "ORG_ID", "PROJECT_ID"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
    for name in ("HF_TOKEN", "TOGETHER_API_BASE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def hosts_on_loopback(monkeypatch):
    """Resolve Together's name, and another provider's, to loopback."""
    resolve_to_loopback(monkeypatch, TOGETHER, ELSEWHERE)


@pytest.fixture
def keys():
    return MadeUpKeys()


@pytest.fixture
def key(keys):
    return keys.together()


@pytest.fixture(params=["sync", "async"])
def lab(request, server, key):
    made = Lab(server, key, is_async=request.param == "async")
    yield made
    made.close()
