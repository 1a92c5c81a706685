"""What can be wrong in an application's telemetry, each with the signals that it may cost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

import opentelemetry.context
from opentelemetry import metrics, propagate
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prometheus_client import CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from application import Telemetry

Behaviour = Callable[..., Any]
Install = Callable[["Telemetry", ExitStack, Behaviour], None]

ROOT, EVENTS = logging.getLogger(), logging.getLogger("together_otel")
MAKERS = [name for name in dir(metrics.Meter) if name.startswith("create_")]


def raises(*_args: object, **_kwargs: object) -> Any:
    """Raise an error of a class of its own: of each class, one may be logged."""
    raise type("BrokenError", (Exception,), {})


def always(value: object) -> Behaviour:
    return lambda *_args, **_kwargs: value


gives_none, gives_text = always(None), always("nonsense")
NONSENSE = {"None": gives_none, "text": gives_text}
RAISES, ALL = {"raises": raises}, {"raises": raises, **NONSENSE}


# ── ways of making it so ─────────────────────────────────────────────────────────────


def handler(logger: logging.Logger, attribute: str) -> Install:
    """Add a handler without a lock of its own, behind those that are there."""

    def install(_telemetry: Telemetry, undo: ExitStack, behaviour: Behaviour) -> None:
        vars(one := logging.Handler()).update({"lock": None, attribute: behaviour})
        logger.addHandler(one)
        undo.callback(logger.removeHandler, one)

    return install


def filter_(_telemetry: Telemetry, undo: ExitStack, behaviour: Behaviour) -> None:
    EVENTS.addFilter(behaviour)
    undo.callback(EVENTS.removeFilter, behaviour)


def record_factory(_telemetry: Telemetry, undo: ExitStack, behaviour: Behaviour) -> None:
    undo.callback(logging.setLogRecordFactory, logging.getLogRecordFactory())
    logging.setLogRecordFactory(behaviour)


def given(part: str, make: Callable[[Behaviour], object]) -> Install:
    """Give another provider than the usual one."""
    return lambda telemetry, _undo, behaviour: setattr(telemetry, part, make(behaviour))


def on(part: str, **makes: Callable[[Behaviour], object]) -> Install:
    """Replace attributes of a provider."""

    def install(telemetry: Telemetry, undo: ExitStack, behaviour: Behaviour) -> None:
        attributes = {name: make(behaviour) for name, make in makes.items()}
        undo.enter_context(patch.multiple(getattr(telemetry, part), **attributes))

    return install


def processor(method: str) -> Install:
    def install(telemetry: Telemetry, _undo: ExitStack, behaviour: Behaviour) -> None:
        setattr(one := SpanProcessor(), method, behaviour)
        telemetry.tracers.add_span_processor(one)

    return install


def span_exporter(telemetry: Telemetry, _undo: ExitStack, behaviour: Behaviour) -> None:
    telemetry.tracers.add_span_processor(SimpleSpanProcessor(Mock(export=behaviour)))


def metric_exporter(behaviour: Behaviour) -> MeterProvider:
    exporter = Mock(export=behaviour, _preferred_temporality=None, _preferred_aggregation=None)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=inf)
    return MeterProvider([reader], shutdown_on_exit=False)


def exemplar_filter(behaviour: Behaviour) -> MeterProvider:
    given = {"exemplar_filter": Mock(should_sample=behaviour), "shutdown_on_exit": False}
    return MeterProvider([InMemoryMetricReader()], **given)


def context(method: str) -> Install:
    """Replace a method of what keeps OpenTelemetry's current context."""
    runtime = opentelemetry.context._RUNTIME_CONTEXT
    return lambda _telemetry, undo, behaviour: undo.enter_context(
        patch.object(runtime, method, behaviour)
    )


def propagator(_telemetry: Telemetry, undo: ExitStack, behaviour: Behaviour) -> None:
    broken = Mock(inject=behaviour, extract=behaviour)
    undo.enter_context(patch.object(propagate, "propagators", broken))


def prometheus_registry(telemetry: Telemetry, undo: ExitStack, behaviour: Behaviour) -> None:
    undo.enter_context(patch.dict("os.environ", TOGETHER_OTEL_METRICS="prometheus"))
    telemetry.registry = Mock(CollectorRegistry, register=behaviour)


# ── what is wrong ────────────────────────────────────────────────────────────────────

BROKEN_INSTRUMENTS = on(
    "meters",
    get_meter=lambda b: always(Mock(**dict.fromkeys(MAKERS, always(Mock(add=b, record=b, set=b))))),
)
GIVEN: dict[str, tuple[Install, dict[str, Behaviour], str]] = {
    "end of a span": (processor("on_end"), RAISES, ""),
    "span exporter": (span_exporter, ALL, ""),
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
}
AROUND: dict[str, tuple[Install, dict[str, Behaviour], str]] = {
    "nothing": (lambda *_: None, {"": raises}, ""),
    "filter of our logger": (filter_, {"None": gives_none}, "line record"),
    "propagator": (propagator, ALL, ""),
    "attaching": (context("attach"), NONSENSE, ""),
    "detaching": (context("detach"), RAISES, ""),
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
    def active(self, telemetry: Telemetry) -> Iterator[None]:
        with ExitStack() as undo:
            self.install(telemetry, undo, self.behaviour)
            yield


FAULTS = {
    f"{name} {title}".strip(): Fault(install, behaviour, frozenset(lost.split()), table is GIVEN)
    for table in (GIVEN, AROUND)
    for name, (install, behaviours, lost) in table.items()
    for title, behaviour in behaviours.items()
}
