"""Composition root: settings → telemetry → patches."""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.instrumentation.dependencies import get_dependency_conflicts
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # not in its __all__ under strict
    BaseInstrumentor,
)
from packaging.requirements import Requirement

from together_otel.auth.registry import KeyRegistry
from together_otel.auth.runtime import Runtime
from together_otel.calls.open_calls import end_all, end_all_at_exit
from together_otel.calls.patching import Patches
from together_otel.guard import Guard
from together_otel.names import SCOPE
from together_otel.recovery.scope import recovery_of
from together_otel.settings import Settings
from together_otel.telemetry.backend_choice import choose_backend
from together_otel.telemetry.events import listen
from together_otel.telemetry.metrics import NoMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.instrumentation.dependencies import DependencyConflict
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from together_otel.telemetry.backend import Backend

_log = logging.getLogger(f"{SCOPE}.instrumentor")

DISTRIBUTION = "together-otel"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"

_PATCHES = Patches()


class TogetherInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # untyped in its own package
    """Instruments every client of Together AI in this process.

    A singleton, as OpenTelemetry's instrumentors are: ``instrument()`` and ``uninstrument()``
    may follow each other any number of times, before or after ``together`` is imported.
    """

    _undo_listen: Callable[[], None] | None = None
    _backend: Backend | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the requirements on the SDKs that are installed; on all of them if none is.

        They are the extra ``instruments-any``: one that fits is enough.
        """
        every = _extra("instruments-any")
        return tuple(one for one in every if _is_installed(Requirement(one).name)) or every

    def _check_dependency_conflicts(self) -> DependencyConflict | None:
        return get_dependency_conflicts(_extra("instruments"), _extra("instruments-any"))

    def _instrument(self, **kwargs: Any) -> None:
        """Turn the instrumentation on. Never raises: others are loaded after it.

        Args:
            **kwargs: ``tracer_provider``, ``meter_provider``, ``logger_provider``; what is
                absent or ``None`` is OpenTelemetry's global one. Log events go through
                Python's ``logging``, whose handlers choose the logger provider;
                ``logger_provider`` is accepted and handed to a handler of our logger's own.
                ``registry`` is prometheus_client's, where that emits the metrics; its default
                one when absent. ``recovery`` is where another key may come from after a
                refusal: a source of ``together_otel.recovery``, a function, or several of
                these; TOGETHER_OTEL_RECOVERY when absent. ``preflight`` is ``"warn"``,
                ``"raise"`` or ``"off"``; TOGETHER_OTEL_PREFLIGHT when absent.
        """
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return
        with Guard("patch", _ignore):
            self._turn_on(
                kwargs.get("tracer_provider"),
                kwargs.get("meter_provider"),
                kwargs.get("logger_provider"),
                kwargs.get("registry"),
                kwargs.get("recovery"),
                kwargs.get("preflight"),
            )

    def _turn_on(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        logger_provider: LoggerProvider | None,
        registry: CollectorRegistry | None,
        recovery: object,
        preflight: object,
    ) -> None:
        # First: what follows has warnings.
        self._undo_listen = listen(logger_provider)
        settings = Settings.from_environment().with_preflight(preflight)
        scope = (SCOPE, _release(), SCHEMA_URL)
        # For itself: where metrics cannot be had, there are spans and log events all the same.
        with Guard("patch", _ignore):
            self._backend = choose_backend(settings, meter_provider, registry, scope, end_all)
            self._backend.start()
        runtime = Runtime(
            settings,
            trace.get_tracer(SCOPE, scope[1], tracer_provider, SCHEMA_URL),
            NoMetrics() if self._backend is None else self._backend.metrics,
            KeyRegistry(fingerprint=settings.fingerprint),
        )
        with Guard("recovery", _ignore):
            runtime.recovery = recovery_of(recovery, settings.recovery, runtime.metrics)
        end_all_at_exit()
        _PATCHES.apply(runtime, tracer_provider)

    def _uninstrument(self, **_kwargs: Any) -> None:
        """Turn the instrumentation off: every patched attribute is the original again."""
        _PATCHES.remove()
        if self._backend is not None:
            self._backend.stop()
            self._backend = None
        if self._undo_listen is not None:
            self._undo_listen()
            self._undo_listen = None


def _ignore(_stage: str) -> None:
    """Count nothing: there is no meter yet."""


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _release() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return ""


def _extra(name: str) -> tuple[str, ...]:
    """Return the requirements of one of this distribution's extras, without the marker."""
    try:
        declared = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        return ()
    found = []
    for requirement in declared:
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            continue
        if marker.evaluate({"extra": name}):
            requirement.marker = None
            found.append(str(requirement))
    return tuple(found)
