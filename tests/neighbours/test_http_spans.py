"""Spans of the HTTP client's own instrumentation inside a call show no key, whoever's that is."""

import json
from pathlib import Path

import pytest
from environments import ROOT, environment
from processes import run_to_end

PROGRAM = Path(__file__).with_name("http_spans.py")
SCOPES = {"requests": "requests", "urllib3": "urllib3", "aiohttp": "aiohttp_client"}


@pytest.mark.parametrize("does", ["refuse", "redirect", "garbage"])
@pytest.mark.parametrize("whose", ["own", "other"])
@pytest.mark.parametrize("sender", SCOPES)
def test_spans_of_the_http_client_show_no_key(sender, whose, does):
    """With all headers captured, redirects followed, and an answer that is none."""
    done = run_to_end(
        [environment(".venv-neighbours"), PROGRAM, sender, whose, does],
        env={"PYTHONPATH": str(ROOT), "STANDINS": str(ROOT / "tests" / "standins")},
        check=True,
    )
    found = json.loads(done.stdout)
    assert f"opentelemetry.instrumentation.{SCOPES[sender]}" in found["scopes"]
    assert found["shown"] == []
