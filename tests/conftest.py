"""What all tests share: no key of the machine's own, no error of ours swallowed."""

from __future__ import annotations

import os

import pytest

from together_otel.guard import Guard

os.environ.setdefault("TOGETHER_NO_BANNER", "1")  # 1.5 prints one on import


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that an SDK, or we, would read."""
    for name in list(os.environ):
        if "TOGETHER" in name and name != "TOGETHER_NO_BANNER":
            monkeypatch.delenv(name)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(autouse=True)
def our_errors_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an error of the instrumentation fail the test instead of being swallowed."""
    monkeypatch.setattr(Guard, "raising", True)
