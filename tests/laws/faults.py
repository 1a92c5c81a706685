"""What can be wrong in an application's telemetry, each with the signals that it may cost."""

import logging
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any
from unittest.mock import Mock, patch

import opentelemetry.context
from opentelemetry import metrics, propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan
from prometheus_client import CollectorRegistry

Behaviour = Callable[..., Any]
Install = Callable[[Any, ExitStack, Behaviour], None]

ROOT, EVENTS = logging.getLogger(), logging.getLogger("together_otel")
MAKERS = [name for name in dir(metrics.Meter) if name.startswith("create_")]
SPAN_METHODS = [name for name in dir(trace.Span) if not name.startswith("_")]


def raises(*_args, **_kwargs):
    """Raise an error of a class of its own: of each class, one may be logged."""
    raise type("BrokenError", (Exception,), {})


def always(value):
    return lambda *_args, **_kwargs: value


gives_none, gives_text = always(None), always("nonsense")
RAISES, ALL = {"raises": raises}, {"raises": raises, "None": gives_none, "text": gives_text}


# ── ways of making it so ─────────────────────────────────────────────────────────────


def handler(logger, attribute):
    """Add a handler without a lock of its own, behind those that are there."""

    def install(_telemetry, undo, behaviour):
        vars(one := logging.Handler()).update({"lock": None, attribute: behaviour})
        logger.addHandler(one)
        undo.callback(logger.removeHandler, one)

    return install


def filter_(_telemetry, undo, behaviour):
    EVENTS.addFilter(behaviour)
    undo.callback(EVENTS.removeFilter, behaviour)


def record_factory(_telemetry, undo, behaviour):
    undo.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
    logging.setLogRecordFactory(behaviour)


def given(part, make):
    """Give another provider than the usual one."""
    return lambda telemetry, _undo, behaviour: setattr(telemetry, part, make(behaviour))


def on(part, **makes):
    """Replace attributes of a provider."""

    def install(telemetry, undo, behaviour):
        attributes = {name: make(behaviour) for name, make in makes.items()}
        undo.enter_context(patch.multiple(getattr(telemetry, part), **attributes))

    return install


def processor(method):
    def install(telemetry, _undo, behaviour):
        setattr(one := SpanProcessor(), method, behaviour)
        telemetry.tracers.add_span_processor(one)

    return install


def span_exporter(telemetry, _undo, behaviour):
    telemetry.tracers.add_span_processor(SimpleSpanProcessor(Mock(export=behaviour)))


def metric_exporter(behaviour):
    exporter = Mock(export=behaviour, _preferred_temporality=None, _preferred_aggregation=None)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=inf)
    return MeterProvider([reader], shutdown_on_exit=False)


def exemplar_filter(behaviour):
    given = {"exemplar_filter": Mock(should_sample=behaviour), "shutdown_on_exit": False}
    return MeterProvider([InMemoryMetricReader()], **given)


def logger_provider(behaviour):
    made = LoggerProvider(shutdown_on_exit=False)
    made.add_log_record_processor(Mock(on_emit=behaviour))
    return made


def span(behaviour):
    made = NonRecordingSpan(INVALID_SPAN_CONTEXT)
    vars(made).update(dict.fromkeys(SPAN_METHODS, behaviour))
    return made


def context(method):
    """Replace a method of what keeps OpenTelemetry's current context."""
    runtime = opentelemetry.context._RUNTIME_CONTEXT
    return lambda _telemetry, undo, behaviour: undo.enter_context(
        patch.object(runtime, method, behaviour)
    )


def propagator(_telemetry, undo, behaviour):
    broken = Mock(inject=behaviour, extract=behaviour)
    undo.enter_context(patch.object(propagate, "propagators", broken))


def prometheus_registry(telemetry, undo, behaviour):
    undo.enter_context(patch.dict("os.environ", TOGETHER_OTEL_METRICS="prometheus"))
    telemetry.registry = Mock(CollectorRegistry, register=behaviour)


def together(*installs):
    def install(telemetry, undo, behaviour):
        for one in installs:
            one(telemetry, undo, behaviour)

    return install


# ── what is wrong ────────────────────────────────────────────────────────────────────

BROKEN_SPANS = on("tracers", get_tracer=lambda b: always(Mock(start_span=always(span(b)))))
BROKEN_INSTRUMENTS = on(
    "meters",
    get_meter=lambda b: always(Mock(**dict.fromkeys(MAKERS, always(Mock(add=b, record=b, set=b))))),
)
GIVEN = {
    "log record processor": (given("loggers", logger_provider), RAISES, "record"),
    "logger provider": (given("loggers", lambda b: Mock(get_logger=b)), ALL, "record"),
    "sampler": (on("tracers", sampler=lambda b: Mock(should_sample=b)), ALL, "span"),
    "id generator": (
        on("tracers", id_generator=lambda b: Mock(generate_span_id=b, generate_trace_id=b)),
        ALL,
        "span",
    ),
    "start of a span": (processor("on_start"), RAISES, "span"),
    "end of a span": (processor("on_end"), RAISES, ""),
    "span exporter": (span_exporter, ALL, ""),
    "tracer provider": (on("tracers", get_tracer=lambda b: b), ALL, "span"),
    "tracer": (
        on("tracers", get_tracer=lambda b: always(Mock(start_span=b, start_as_current_span=b))),
        ALL,
        "span",
    ),
    "span": (BROKEN_SPANS, ALL, "span"),
    "meter provider": (on("meters", get_meter=lambda b: b), ALL, "count"),
    "meter": (
        on("meters", get_meter=lambda b: always(Mock(**dict.fromkeys(MAKERS, b)))),
        ALL,
        "count",
    ),
    "instruments": (BROKEN_INSTRUMENTS, RAISES, "count"),
    "exemplar filter": (given("meters", exemplar_filter), RAISES, "count"),
    "metric exporter": (given("meters", metric_exporter), ALL, "count"),
    "prometheus registry": (prometheus_registry, RAISES, "count"),
    # The counting and logging of an error of ours fail as well.
    "instruments and handler": (
        together(BROKEN_INSTRUMENTS, handler(ROOT, "emit")),
        RAISES,
        "count",
    ),
    "prometheus registry and record factory": (
        together(prometheus_registry, record_factory),
        RAISES,
        "count line record",
    ),
    "end of a span and filter": (together(processor("on_end"), filter_), RAISES, "line record"),
    "all": (
        together(prometheus_registry, BROKEN_SPANS, record_factory, context("get_current")),
        RAISES,
        "count line record span",
    ),
}
AROUND = {
    "nothing": (lambda *_: None, {"": raises}, ""),
    "handler of the root logger": (handler(ROOT, "emit"), RAISES, ""),
    "filter of a handler": (handler(ROOT, "filter"), RAISES, ""),
    "level of a handler": (handler(ROOT, "level"), {"is a function": raises}, ""),
    "handler of our logger": (handler(EVENTS, "emit"), RAISES, "line record"),
    "filter of our logger": (filter_, {"raises": raises, "None": gives_none}, "line record"),
    "record factory": (record_factory, ALL, "line record"),
    "propagator": (propagator, ALL, ""),
    "attaching": (context("attach"), ALL, ""),
    "detaching": (context("detach"), RAISES, ""),
    "current context": (context("get_current"), ALL, "span record"),
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Args:
        install: makes it so.
        behaviour: what is done instead of what should be.
        lost: the signals that cannot be had any more.
        is_given: whether it lies in what the instrumentation is given.
    """

    install: Install
    behaviour: Behaviour
    lost: frozenset[str]
    is_given: bool

    @contextmanager
    def active(self, telemetry):
        with ExitStack() as undo:
            self.install(telemetry, undo, self.behaviour)
            yield


FAULTS = {
    f"{name} {title}".strip(): Fault(install, behaviour, frozenset(lost.split()), table is GIVEN)
    for table in (GIVEN, AROUND)
    for name, (install, behaviours, lost) in table.items()
    for title, behaviour in behaviours.items()
}
