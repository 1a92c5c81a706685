"""What `make demo` shows of openai and LiteLLM."""

import sys
from dataclasses import replace

import pytest

from together_otel.cli.demo.applications import APPLICATIONS, run_application
from together_otel.testing import MadeUpKeys


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda one: one.client)
def test_application(application):
    """Its failure is named and counted once, and no key is seen; what differs is a fault."""
    pytest.importorskip(application.client)
    keys = MadeUpKeys()
    found = run_application(application, sys.executable, keys)
    assert found.faults() == []
    assert found.found["said"]
    assert keys.shown_in({"emitted": found.found["emitted"], "errors": found.errors}) == []
    wrong = replace(found, application=replace(application, cause="revoked", accepted=7))
    assert len(wrong.faults()) == 2
