"""Each event is one line for people and one LogRecord for backends, whatever listens besides."""

import json
import logging
import logging.config
import warnings
from contextlib import ExitStack
from importlib import import_module
from unittest.mock import Mock, patch

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from together_otel.names import AUTH_FAILED, OPERATION_DETAILS, OPERATION_EXCEPTION
from together_otel.telemetry import events, log_lines
from together_otel.testing.telemetry import InMemoryLogRecordExporter

OURS, ROOT = logging.getLogger("together_otel"), logging.getLogger()
SCOPE = ("together_otel", "1.2.3", "https://schema.invalid/1")
PLACES = ("opentelemetry.sdk._logs", "opentelemetry.instrumentation.logging.handler")


class Backend:
    """A logger provider, and the LogRecords that came to it."""

    def __init__(self):
        self._exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK leaves it so
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self._exporter))

    def caught(self):
        return list(self._exporter.get_finished_logs())

    def records(self):
        return [one.log_record for one in self.caught()]


@pytest.fixture
def undo():
    """What is to be undone after a test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def listen(undo):
    return lambda provider=None: undo.callback(events.listen(provider, SCOPE))


@pytest.fixture
def backend(listen):
    """The provider that is passed."""
    made = Backend()
    listen(made.provider)
    return made


@pytest.fixture
def lines(undo):
    """What a handler on the root logger gets."""
    got = []
    handler = logging.Handler()
    vars(handler)["emit"] = lambda record: got.append(record.getMessage())
    ROOT.addHandler(handler)
    undo.callback(ROOT.removeHandler, handler)
    return got


def handlers(provider):
    """Return OpenTelemetry's own logging handlers, as many as this release has."""
    made = []
    for place in PLACES:
        try:
            kind = getattr(import_module(place), "LoggingHandler", None)
        except ImportError:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if kind is not None:
                made.append(kind(logger_provider=provider))
    assert made
    return made


def on_root(undo, provider):
    for handler in handlers(provider):
        ROOT.addHandler(handler)
        undo.callback(ROOT.removeHandler, handler)


def fail(text="no"):
    events.emit(AUTH_FAILED, logging.ERROR, {"together.auth.remedy": text})


def test_record(backend):
    """Name, severity, body, attributes, trace context and scope."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("s") as span:
        fail("set it")
    (caught,) = backend.caught()
    record, scope = caught.log_record, caught.instrumentation_scope
    assert record.event_name == "together.client.auth_failed"
    assert (record.severity_number.value, record.severity_text) == (17, "ERROR")
    assert record.body == 'together.client.auth_failed remedy="set it"'
    assert record.attributes == {"together.auth.remedy": "set it"}
    assert record.timestamp
    assert record.trace_id == span.get_span_context().trace_id
    assert record.span_id == span.get_span_context().span_id
    assert (scope.name, scope.version, scope.schema_url) == SCOPE


def test_global_provider(listen):
    """Where none is passed, and though it is set later."""
    listen(None)
    backend = Backend()
    with patch("together_otel.telemetry.log_records.get_logger_provider", lambda: backend.provider):
        fail()
    assert len(backend.records()) == 1


def test_provider_that_is_passed_and_global(listen):
    backend = Backend()
    listen(None)
    listen(backend.provider)
    with patch("together_otel.telemetry.log_records.get_logger_provider", lambda: backend.provider):
        fail()
    assert len(backend.records()) == 1


@pytest.mark.parametrize("is_later", [False, True])
def test_handler_of_opentelemetry_makes_no_second_record(is_later, listen, lines, undo):
    """Whether it was there before or came after; what else is logged, it gets."""
    backend = Backend()
    for step in (lambda: listen(backend.provider), lambda: on_root(undo, backend.provider))[
        :: -1 if is_later else 1
    ]:
        step()
    fail()
    OURS.warning("beside")
    names = [record.event_name or record.body for record in backend.records()]
    assert names.count("together.client.auth_failed") == 1
    assert "beside" in names
    assert lines == ["together.client.auth_failed remedy=no", "beside"]


def test_handler_of_opentelemetry_serves_where_no_provider_is_set(listen, undo):
    backend = Backend()
    listen(None)
    on_root(undo, backend.provider)
    fail()
    assert len(backend.records()) == len(handlers(backend.provider))


@pytest.mark.parametrize("name", ["together._base_client", "httpx", "httpcore.http11"])
def test_debug_logs_of_the_sdk_are_no_records(name, undo, lines):
    """Neither of a handler that was there, nor of one that comes later; others see them."""
    backend, log = Backend(), logging.getLogger(name)
    undo.callback(log.setLevel, log.level)
    log.setLevel(logging.DEBUG)
    on_root(undo, backend.provider)
    off = events.listen(None, SCOPE)
    on_root(undo, backend.provider)
    log.debug("shows a key")
    log.info("shows none")
    assert {record.body for record in backend.records()} == {"shows none"}
    assert lines == ["shows a key", "shows none"]
    off()
    log.debug("not ours any more")
    assert "not ours any more" in {record.body for record in backend.records()}


def test_handlers_are_as_before():
    kinds = [type(one) for one in handlers(Backend().provider)]
    before = [dict(vars(kind)) for kind in kinds]
    events.listen(None, SCOPE)()
    assert [dict(vars(kind)) for kind in kinds] == before


def test_no_deprecation_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        off = events.listen(Backend().provider, SCOPE)
        fail()
        off()


def test_record_is_not_dropped_by_the_level_of_the_logger(backend, lines):
    """It keeps its structure, and the line has none of it."""
    said = {"gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text"}]}]}
    events.emit(OPERATION_DETAILS, logging.DEBUG, {"a": 1}, more=said)
    (record,) = backend.records()
    assert record.severity_number.value == 5
    assert json.loads(json.dumps(record.attributes["gen_ai.input.messages"])) == [
        {"role": "user", "parts": [{"type": "text"}]}
    ]
    assert lines == []


@pytest.mark.parametrize(
    ("suppressed", "expected"),
    [
        (0, ["gen_ai.client.inference.exception a=1"]),
        (3, ["gen_ai.client.inference.exception a=1 suppressed=3"]),
        (None, []),
    ],
)
def test_held_back_line(suppressed, expected, backend, lines):
    """Its LogRecord is not."""
    events.emit(OPERATION_EXCEPTION, logging.WARNING, {"a": 1}, suppressed=suppressed)
    assert lines == expected
    assert len(backend.records()) == 1


@pytest.mark.parametrize("odd", ["\n", "\r", "\x1b[2J", "\u2028", "\x85", "\u202e"])
def test_lines_cannot_be_forged(odd, backend, lines):
    """Attributes keep the character, as they are no lines."""
    fail(f"x{odd}CRITICAL")
    (line,) = lines
    assert line.isprintable()
    assert "CRITICAL" in line
    (record,) = backend.records()
    assert record.body == line
    assert record.attributes["together.auth.remedy"] == f"x{odd}CRITICAL"


def test_provider_that_raises_costs_no_line(listen, lines):
    listen(Mock(get_logger=Mock(side_effect=ZeroDivisionError)))
    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(lines) == 1


def test_handler_that_raises_costs_no_record(backend, undo):
    handler = logging.Handler()
    vars(handler)["emit"] = Mock(side_effect=ZeroDivisionError)
    OURS.addHandler(handler)
    undo.callback(OURS.removeHandler, handler)
    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(backend.records()) == 1


def by_dict(_folder):
    logging.config.dictConfig({"version": 1})


def by_file(folder):
    file = folder / "logging.ini"
    file.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=none\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=none\n[handler_none]\nclass=NullHandler\nargs=()\n"
    )
    logging.config.fileConfig(file)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("configure", [by_dict, by_file])
def test_logger_that_a_configuration_disabled(configure, tmp_path, undo):
    """It is heard all the same, with its children, and one line says so; others stay as they are."""
    child, manager = logging.getLogger("together_otel.settings"), OURS.manager
    stranger = logging.getLogger("application.together_otel")
    others = [one for one in manager.loggerDict.values() if isinstance(one, logging.Logger)]
    for one in others:
        undo.callback(setattr, one, "disabled", one.disabled)
    undo.callback(setattr, ROOT, "handlers", list(ROOT.handlers))
    undo.callback(ROOT.setLevel, ROOT.level)
    configure(tmp_path)
    assert OURS.disabled
    got = []
    handler = logging.Handler()
    vars(handler)["emit"] = lambda record: got.append(record.getMessage())
    ROOT.addHandler(handler)
    fail()
    fail()
    note, *heard = got
    assert note == (
        "The application's logging configuration disabled the logger together_otel; it is enabled"
        " again, because it reports failures of API keys. Set disable_existing_loggers to False,"
        " or a level for this logger."
    )
    assert heard == ["together.client.auth_failed remedy=no"] * 2
    assert not child.disabled
    assert stranger.disabled


def listen_with_nothing_but_opentelemetry(undo):
    """Take all other handlers away, those of pytest included."""
    for log in (ROOT, OURS):
        undo.callback(setattr, log, "handlers", list(log.handlers))
        log.handlers = []
    on_root(undo, Backend().provider)
    undo.callback(events.listen(None, SCOPE))


def test_line_of_last_resort(undo, capsys):
    """It has a time and a level; INFO is not printed."""
    listen_with_nothing_but_opentelemetry(undo)
    fail()
    events.emit(AUTH_FAILED, logging.INFO, {})
    logging.getLogger("together_otel.settings").warning("%s is wrong", "X")
    first, second = capsys.readouterr().err.splitlines()
    assert first[:4].isdecimal()
    assert first.endswith(" ERROR together_otel: together.client.auth_failed remedy=no")
    assert second.endswith(" WARNING together_otel.settings: X is wrong")


def test_last_resort_that_is_switched_off(undo, capsys, monkeypatch):
    monkeypatch.setattr(logging, "lastResort", None)
    listen_with_nothing_but_opentelemetry(undo)
    fail()
    assert capsys.readouterr().err == ""


def test_last_resort_of_the_applications_own(undo, monkeypatch):
    """It gets the record as it was logged if it formats, a line with its level if it does not."""
    listen_with_nothing_but_opentelemetry(undo)
    own = logging.Handler(logging.WARNING)
    got = []
    vars(own)["emit"] = got.append
    monkeypatch.setattr(logging, "lastResort", own)
    fail()
    own.setFormatter(logging.Formatter())
    fail()
    first, second = got
    assert first.levelno == second.levelno == logging.ERROR
    assert first.getMessage().endswith(" ERROR together_otel: " + second.getMessage())
    assert second.name == "together_otel"


@pytest.mark.parametrize("place", [OURS, ROOT])
@pytest.mark.parametrize("propagates", [True, False])
def test_who_listens(place, propagates, undo, capsys):
    """A handler of our logger does, and one of the root logger as long as lines come to it."""
    listen_with_nothing_but_opentelemetry(undo)
    undo.callback(setattr, OURS, "propagate", OURS.propagate)
    OURS.propagate = propagates
    place.addHandler(logging.NullHandler())
    fail()
    assert bool(capsys.readouterr().err) is (place is ROOT and not propagates)


def test_attributes_of_a_line_are_the_records(undo):
    got = []
    handler = logging.Handler()
    vars(handler)["emit"] = got.append
    OURS.addHandler(handler)
    undo.callback(OURS.removeHandler, handler)
    log_lines.write(logging.ERROR, "100 %s", {"cause": "revoked"})
    assert [(one.getMessage(), vars(one)["cause"]) for one in got] == [("100 %s", "revoked")]


@pytest.mark.usefixtures("backend")
def test_no_line_of_last_resort_where_someone_listens(capsys, lines):
    fail()
    assert len(lines) == 1
    assert capsys.readouterr().err == ""


def test_level_is_ours_where_nobody_set_one():
    before = OURS.level
    off = log_lines.listen()
    assert OURS.getEffectiveLevel() <= logging.INFO
    off()
    assert OURS.level == before


def test_level_that_somebody_set_stays(undo):
    undo.callback(OURS.setLevel, OURS.level)
    OURS.setLevel(logging.ERROR)
    handlers = list(OURS.handlers)
    off = log_lines.listen()
    assert OURS.level == logging.ERROR
    off()
    assert (OURS.level, OURS.handlers) == (logging.ERROR, handlers)
