"""The laws hold in production, where errors of ours are swallowed."""

import json
import logging
import os
import sys
from pathlib import Path

import pytest
from application import off
from processes import run_to_end

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def our_errors_raise():
    """Instead of the fixture of all other tests: nothing of ours is to be raised."""


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    """Each failure is logged, however fast they follow each other; a test that fails is alone."""
    monkeypatch.setenv("TOGETHER_OTEL_LOG_INTERVAL", "0")
    loggers = [logging.getLogger(name) for name in ("together_otel", None)]
    before = [(logger, list(logger.handlers), list(logger.filters)) for logger in loggers]
    yield
    off()
    for logger, handlers, filters in before:
        logger.handlers[:], logger.filters[:] = handlers, filters


@pytest.fixture
def run_program():
    """Run one of the programs to its good end, and return what it prints."""

    def run(program, *arguments, **environment):
        paths = map(str, (HERE, HERE.parent / "sdk", HERE.parent, HERE.parent.parent))
        done = run_to_end(
            [sys.executable, str(HERE / "programs" / program), *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        )
        assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout)

    return run
