"""The instrumentor: reads the settings, sets up telemetry and applies the patches."""

from __future__ import annotations

import atexit
import logging
import os
from functools import partial, wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from opentelemetry import metrics as metrics_api
from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, get_logger_provider
from opentelemetry.instrumentation.dependencies import DependencyConflict, get_dependency_conflicts
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # not in its __all__ under strict
    BaseInstrumentor,
)
from packaging.requirements import Requirement

from together_otel.calls.imports import LazyPatches, turn_off_other_copies
from together_otel.calls.open_calls import end_all, end_all_at_exit, end_dropped
from together_otel.forks import ForkSafeLock
from together_otel.guard import Guard, warn
from together_otel.names import SCOPE, GenAIMetrics
from together_otel.plain.installed import release_of
from together_otel.plain.spelling import did_you_mean
from together_otel.settings import Preflight, Settings
from together_otel.telemetry.backend_choice import choose_backend
from together_otel.telemetry.events import listen
from together_otel.telemetry.metrics import NoMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from together_otel.auth.runtime import Runtime
    from together_otel.recovery.sources import Source
    from together_otel.telemetry.metrics import Backend

_log = logging.getLogger(f"{SCOPE}.instrumentor")

DISTRIBUTION = "together-otel"
SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/0.1.0"

__version__ = release_of(DISTRIBUTION) or ""
"""Empty if the package is on the path but not installed."""

_INSTRUMENTS = (
    "together<4,>=1.4.5",
    "openai<4,>=1.55.3",
    "together-ai",
    "httpx>=0.27",
    "httpx2>=2",
    "requests>=2.28",
    "aiohttp>=3.9",
    "websockets>=13",
)
"""The extra ``instruments-any``, which opentelemetry-instrument reads from the distribution."""

_NO_OPS = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
"""Modules of the provider classes that OpenTelemetry uses until a provider is set."""


class TogetherInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # untyped in its own package
    """Instruments every client of Together AI in this process.

    A singleton, like all OpenTelemetry instrumentors. ``instrument()`` and ``uninstrument()``
    can be called any number of times, before or after ``together`` is imported.
    """

    # On the class, not the module: an earlier copy of this class must find its own.
    _patches = LazyPatches()
    _undo_listen: Callable[[], None] | None = None
    _backend: Backend | None = None
    _report_held_back: Callable[[], None] | None = None
    _turning = ForkSafeLock()

    def instrument(self, **kwargs: Any) -> Any:
        """Turn the instrumentation on, one thread at a time; see `_instrument`."""
        with self._turning:
            return super().instrument(**kwargs)

    def uninstrument(self, **kwargs: Any) -> Any:
        """Turn the instrumentation off, one thread at a time."""
        with self._turning:
            return super().uninstrument(**kwargs)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the requirements on the installed SDKs, or on all SDKs if none is installed.

        They are the extra ``instruments-any``: meeting one of them is enough.
        """
        return _installed() or _INSTRUMENTS

    def _check_dependency_conflicts(self) -> DependencyConflict | None:
        """Return the conflict with installed SDKs, if any. Having none installed is no conflict."""
        # Ends at the first that fits: reading every release would take most of `instrument()`.
        found = get_dependency_conflicts((), _INSTRUMENTS)
        return found if found and _installed() else None

    def _instrument(self, **kwargs: Any) -> None:
        """Turn the instrumentation on. Never raises, as other instrumentors are loaded after it."""
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return
        with Guard("patch"):
            self._turn_on(kwargs)

    def _turn_on(self, given: Mapping[str, Any]) -> None:
        turn_off_other_copies()
        # Before the steps that log warnings.
        scope = (SCOPE, __version__, SCHEMA_URL)
        self._undo_listen = listen(given.get("logger_provider"), scope)
        for name in given.keys() - _KEYWORDS:
            warn(_log, "instrument() has no keyword %s%s", name, did_you_mean(name, _KEYWORDS))
        settings = Settings.from_keywords(given)
        tracer_provider = given.get("tracer_provider")
        # Separate guards, so that one signal's failure does not affect the others.
        with Guard("patch"):
            meter_provider, registry = given.get("meter_provider"), given.get("registry")
            self._backend = choose_backend(settings, meter_provider, registry, scope, end_all)
            self._backend.metrics.before_collection = end_dropped
            self._backend.start()
        tracer: trace.Tracer = trace.NoOpTracer()
        with Guard("patch"):
            tracer = trace.get_tracer(SCOPE, __version__, tracer_provider, SCHEMA_URL)
        counted = NoMetrics() if self._backend is None else self._backend.metrics
        recovery = None
        if (sources := given.get("recovery")) is not None or settings.recovery:
            with Guard("recovery"):
                from together_otel.recovery.scope import recovery_of  # noqa: PLC0415 - rarely used

                recovery = recovery_of(sources, settings.recovery, counted)

        def turn_on() -> tuple[Runtime, object]:
            from together_otel.auth.registry import KeyRegistry  # noqa: PLC0415 - see `LazyPatches`
            from together_otel.auth.runtime import Runtime  # noqa: PLC0415 - see `LazyPatches`

            keys = KeyRegistry(fingerprint=settings.fingerprint)
            runtime = Runtime(settings, tracer, counted, keys)
            runtime.recovery = recovery
            self._report_held_back = runtime.report_held_back
            # The process may exit without `uninstrument()`.
            atexit.register(self._report_held_back)
            runtime.at_first_call = partial(_warn_if_unseen, settings, given)
            return runtime, tracer_provider

        end_all_at_exit()
        self._patches.apply(turn_on, settings.hosts, self.uninstrument)

    def _uninstrument(self, **_kwargs: Any) -> None:
        """Turn the instrumentation off and restore every patched attribute."""
        backend, self._backend = self._backend, None
        undo_listen, self._undo_listen = self._undo_listen, None
        # Separate guards, because providers and handlers of the application may raise.
        held_back, self._report_held_back = self._report_held_back, None
        if held_back is not None:
            atexit.unregister(held_back)
        steps = (
            self._patches.remove,
            held_back,
            None if backend is None else backend.stop,
            undo_listen,
        )
        for step in steps:
            if step is not None:
                with Guard("patch"):
                    step()


P = ParamSpec("P")


def _naming_the_nearest(function: Callable[P, None]) -> Callable[P, None]:
    """Return a function that raises for an unknown keyword and suggests the nearest known one."""

    @wraps(function)
    def strict(*args: P.args, **kwargs: P.kwargs) -> None:
        for name in kwargs.keys() - _KEYWORDS:
            raise TypeError(
                f"{function.__name__}() got an unexpected keyword argument {name!r}"
                f"{did_you_mean(name, _KEYWORDS)}"
            )
        function(*args, **kwargs)

    return strict


@_naming_the_nearest
def instrument(  # noqa: PLR0913 - one keyword per setting
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    registry: CollectorRegistry | None = None,
    recovery: Source | Callable[[], Any] | Sequence[Source | Callable[[], Any]] | None = None,
    metrics: Literal["auto", "otel", "prometheus", "none"] | None = None,
    genai_metrics: GenAIMetrics | None = None,
    chunk_times: bool | None = None,
    hosts: Sequence[str] | None = None,
    prometheus_port: int | None = None,
    prometheus_host: str | None = None,
    pushgateway: str | None = None,
    textfile: str | None = None,
    preflight: Preflight | None = None,
    fingerprint: bool | None = None,
    log_interval: float | None = None,
    runbook_url: str | None = None,
    capture_message_content: str | None = None,
) -> None:
    """Turn the instrumentation on. Raises for unknown keywords only.

    Arguments that are ``None`` default to OpenTelemetry's global provider, prometheus_client's
    default registry, or the environment variable of the same name.

    Args:
        tracer_provider: creates the spans.
        meter_provider: creates the metrics, if OpenTelemetry emits them.
        logger_provider: receives the log events as LogRecords.
        registry: receives the metrics, if prometheus_client emits them.
        recovery: sources of another key after a refusal: a source of ``together_otel.recovery``,
            a function, or a sequence of these.
        metrics: the backend that emits metrics.
        genai_metrics: names of the conventions' metrics: ``latest``, ``legacy`` or ``both``.
        chunk_times: whether to record the time between every two chunks of a stream.
        hosts: additional hosts that count as Together's.
        prometheus_port: port that serves /metrics; 0 takes a free port.
        prometheus_host: address that serves /metrics.
        pushgateway: URL that the last counts are pushed to at exit.
        textfile: folder that the last counts are written to at exit.
        preflight: what to do about a constructor's key that cannot work.
        fingerprint: whether to emit fingerprints of keys.
        log_interval: seconds between two log events of the same failure.
        runbook_url: base URL of the links to the runbook.
        capture_message_content: ``NO_CONTENT``, ``SPAN_ONLY``, ``EVENT_ONLY`` or
            ``SPAN_AND_EVENT``.

    Raises:
        TypeError: for an unknown keyword.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    TogetherInstrumentor().instrument(**given)


_KEYWORDS = frozenset(signature(instrument).parameters)


def uninstrument() -> None:
    """Turn the instrumentation off and restore the original methods."""
    TogetherInstrumentor().uninstrument()


def _warn_if_unseen(settings: Settings, given: Mapping[str, Any]) -> None:
    if settings.metrics != "otel":  # prometheus_client emits them, or they are disabled
        return
    providers = (
        given.get("tracer_provider") or trace.get_tracer_provider(),
        given.get("meter_provider") or metrics_api.get_meter_provider(),
        given.get("logger_provider") or get_logger_provider(),
    )
    if all(type(one).__module__.startswith(_NO_OPS) for one in providers):
        warn(
            _log,
            "OpenTelemetry has no tracer, meter or logger provider, so only log lines are emitted:"
            " start the program with opentelemetry-instrument, set a provider, or set"
            " TOGETHER_OTEL_PROMETHEUS_PORT.",
        )


def _installed() -> tuple[str, ...]:
    return tuple(one for one in _INSTRUMENTS if release_of(Requirement(one).name))
