"""Turning the instrumentation on and off, and what it takes to be found."""

import logging
import sys
from importlib.metadata import entry_points, metadata, requires

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from packaging.requirements import Requirement
from processes import run_to_end

from together_otel import TogetherInstrumentor, instrumentor
from together_otel.instrumentor import DISTRIBUTION
from together_otel.names import KEY_ROTATED, SCOPE
from together_otel.telemetry.events import emit
from together_otel.testing.telemetry import InMemoryLogRecordExporter

LOG = logging.getLogger(SCOPE)


@pytest.fixture(autouse=True)
def off_afterwards():
    """Leave the process as it was."""
    yield
    if TogetherInstrumentor().is_instrumented_by_opentelemetry:
        TogetherInstrumentor().uninstrument()


def run(program, **environment):
    """Run a program in a process of its own."""
    return run_to_end(
        [sys.executable, "-W", "ignore", "-c", program],
        env={"TOGETHER_NO_BANNER": "1", **environment},
    )


def test_entry_point_is_what_opentelemetry_instrument_loads():
    """The name, and the object behind it."""
    (found,) = entry_points(group="opentelemetry_instrumentor", name="together")
    assert found.value == "together_otel:TogetherInstrumentor"
    assert found.load() is TogetherInstrumentor


def test_extras_and_dependencies_are_in_step():
    """What opentelemetry-instrument reads from the extras is what the method says."""
    assert {"instruments", "instruments-any"} <= {
        *(metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
    }
    declared = {
        str(requirement).partition(";")[0].strip()
        for requirement in map(Requirement, requires(DISTRIBUTION) or ())
        if requirement.marker and requirement.marker.evaluate({"extra": "instruments-any"})
    }
    assert {str(Requirement(text)) for text in instrumentor._INSTRUMENTS} == declared
    any_of = {Requirement(text).name: Requirement(text) for text in instrumentor._INSTRUMENTS}
    for release in ("1.4.5", "1.5.35", "2.0.0", "2.42.0", "3.1.1"):
        assert any_of["together"].specifier.contains(release)
    for release in ("1.55.3", "1.109.1", "2.54.0", "3.57.0"):
        assert any_of["openai"].specifier.contains(release)


def test_runtime_dependencies_are_the_promised_ones():
    """No more is asked of a user's environment than the contract names."""
    needed = {
        Requirement(text).name
        for text in requires(DISTRIBUTION) or ()
        if Requirement(text).marker is None
    }
    assert needed == {
        "opentelemetry-api",
        "opentelemetry-sdk",
        "opentelemetry-instrumentation",
        "packaging",
        "prometheus-client",
        "python-dotenv",
        "wrapt",
    }


def test_importing_and_instrumenting_import_no_sdk():
    """The SDK's import takes half a second: it is the application's to pay, when it wants it."""
    done = run(
        "import sys, together_otel; together_otel.TogetherInstrumentor().instrument();"
        "assert not {'together', 'together_ai', 'httpx'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_instrument_before_the_import_patches_on_import():
    """The order of import and instrument() does not matter."""
    done = run(
        "from together_otel import TogetherInstrumentor as T; import wrapt\n"
        "T().instrument(); import together\n"
        "assert isinstance(vars(together.Together)['__init__'], wrapt.FunctionWrapper)\n"
        "T().uninstrument()\n"
        "assert not isinstance(vars(together.Together)['__init__'], wrapt.FunctionWrapper)\n"
        "T().instrument()\n"
        "assert isinstance(vars(together.Together)['__init__'], wrapt.FunctionWrapper)\n"
    )
    assert done.returncode == 0, done.stderr


def test_import_after_uninstrument_patches_nothing():
    """A hook that is left over does nothing."""
    done = run(
        "from together_otel import TogetherInstrumentor as T; import wrapt\n"
        "T().instrument(); T().uninstrument(); import together\n"
        "assert not isinstance(vars(together.Together)['__init__'], wrapt.FunctionWrapper)\n"
    )
    assert done.returncode == 0, done.stderr


def test_otel_sdk_disabled():
    """OpenTelemetry's own switch turns everything off, log events included."""
    done = run(
        "from together_otel import TogetherInstrumentor as T; T().instrument()\n"
        "import together\n"
        "try: together.Together()\n"
        "except Exception as exc: print(type(exc).__name__)\n",
        OTEL_SDK_DISABLED="true",
    )
    assert done.returncode == 0, done.stderr
    assert "together.client" not in done.stderr


def test_error_is_seen_on_stderr_without_any_logging_set_up():
    """A process that dies for want of a key says why where its container's log is."""
    done = run(
        "from together_otel import TogetherInstrumentor as T; T().instrument()\n"
        "import together; together.Together()\n"
    )
    assert done.returncode == 1
    assert done.stderr.count("together.client.auth_failed cause=missing") == 1
    assert "Traceback" in done.stderr


def test_logger_provider_gets_each_event_once():
    """A provider that is passed gets what is emitted until uninstrument()."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK leaves it so
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    handlers = list(LOG.handlers)

    TogetherInstrumentor().instrument(logger_provider=provider)
    emit(KEY_ROTATED, logging.INFO, {"number": 1})
    TogetherInstrumentor().uninstrument()
    emit(KEY_ROTATED, logging.INFO, {"number": 2})

    (caught,) = exporter.get_finished_logs()
    assert caught.log_record.attributes == {"number": 1}
    assert LOG.handlers == handlers
    assert LOG.level == logging.NOTSET


def test_an_own_level_of_the_logger_is_left_alone():
    """Whoever sets the logger's level has the last word."""
    LOG.setLevel(logging.ERROR)
    try:
        TogetherInstrumentor().instrument()
        assert LOG.level == logging.ERROR
        TogetherInstrumentor().uninstrument()
        assert LOG.level == logging.ERROR
        LOG.setLevel(logging.NOTSET)
        TogetherInstrumentor().instrument()
        LOG.setLevel(logging.ERROR)
        TogetherInstrumentor().uninstrument()
        assert LOG.level == logging.ERROR
    finally:
        LOG.setLevel(logging.NOTSET)


def test_dependencies_are_those_installed(monkeypatch):
    """The SDK that is there, or all that could be."""
    there = {"together"}
    monkeypatch.setattr(instrumentor, "release_of", lambda name: name in there)
    (together,) = TogetherInstrumentor().instrumentation_dependencies()
    assert Requirement(together).name == "together"
    there.clear()
    every = TogetherInstrumentor().instrumentation_dependencies()
    assert every == instrumentor._INSTRUMENTS


def test_no_client_at_all(caplog, monkeypatch):
    """A machine without any client library: nothing happens, and nothing is said."""
    monkeypatch.setattr(instrumentor, "_INSTRUMENTS", ("no-such-sdk>=1",))
    TogetherInstrumentor().instrument()
    assert TogetherInstrumentor().is_instrumented_by_opentelemetry
    TogetherInstrumentor().uninstrument()
    assert not caplog.text


def test_a_release_that_is_not_supported(caplog, monkeypatch):
    """An error that names what is wanted, and nothing is patched."""
    monkeypatch.setattr(instrumentor, "_INSTRUMENTS", ("pytest<1",))
    TogetherInstrumentor().instrument()
    assert not TogetherInstrumentor().is_instrumented_by_opentelemetry
    assert "pytest<1" in caplog.text
