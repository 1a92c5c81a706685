"""Clients that also reach other providers: only their requests to Together are reported.

The host is checked at each request, because a client's base URL may change.
"""

from __future__ import annotations

import sys
from inspect import iscoroutinefunction
from types import MethodType
from typing import TYPE_CHECKING, Any

from together_otel import names
from together_otel.auth.runtime import AuthFailure
from together_otel.calls import wrappers
from together_otel.calls.arguments import Arguments
from together_otel.calls.call import current_call
from together_otel.calls.interrupts import step_out
from together_otel.calls.patches import Direct
from together_otel.clients.error_types import error_type
from together_otel.clients.failures import UNAUTHORIZED
from together_otel.keys import is_together_host, known_keys, sent_elsewhere
from together_otel.plain import clocks
from together_otel.telemetry import attributes

if TYPE_CHECKING:
    from together_otel.calls.active import Active
    from together_otel.clients.openai import OpenAI


def constructing(active: Active, adapter: OpenAI, _function: Any) -> Direct:
    """Wrap a constructor: report it if the client is for Together."""

    def make(function: Any, bound: int) -> Any:
        report = wrappers.constructing(active, adapter, function)

        def patched(*args: Any, **kwargs: Any) -> None:
            held, runtime = Arguments(args=args, kwargs=kwargs), active.runtime
            del args, kwargs
            try:
                if runtime is None or not adapter.concerns_new(held.kwargs, runtime.settings.hosts):
                    function(
                        *held.args[bound:],
                        **held.kwargs,
                    )
                    return
                client = held.args[0]
                report(
                    function if bound else MethodType(function, client),
                    client,
                    held.args[1:],
                    held.kwargs,
                )
            except BaseException:
                step_out()
                raise

        return patched

    return Direct(make)


def calling(active: Active, adapter: OpenAI, _function: Any) -> Direct:
    """Wrap a request: report it if it is to Together, or if another host refuses a Together key."""

    def make(function: Any, bound: int) -> Any:
        report = wrappers.calling(active, adapter, function).of(function, bound)

        def patched(*args: Any, **kwargs: Any) -> Any:
            held, runtime = Arguments(args=args, kwargs=kwargs), active.runtime
            del args, kwargs
            ours = True
            try:
                ours = runtime is not None and adapter.concerns(
                    held.args, held.kwargs, runtime.settings.hosts
                )
                if ours:
                    return report(
                        *held.args,
                        **held.kwargs,
                    )
                return function(
                    *held.args[bound:],
                    **held.kwargs,
                )
            except BaseException:
                if not ours:
                    _report_key_sent_elsewhere(active, adapter, held)
                step_out()
                raise

        async def patched_async(*args: Any, **kwargs: Any) -> Any:
            held, runtime = Arguments(args=args, kwargs=kwargs), active.runtime
            del args, kwargs
            ours = True
            try:
                ours = runtime is not None and adapter.concerns(
                    held.args, held.kwargs, runtime.settings.hosts
                )
                if ours:
                    return await report(
                        *held.args,
                        **held.kwargs,
                    )
                return await function(
                    *held.args[bound:],
                    **held.kwargs,
                )
            except BaseException:
                if not ours:
                    _report_key_sent_elsewhere(active, adapter, held)
                step_out()
                raise

        return patched_async if iscoroutinefunction(function) else patched

    return Direct(make)


def _report_key_sent_elsewhere(active: Active, adapter: OpenAI, held: Arguments) -> None:
    """Report the exception being handled if another provider refused a Together key."""
    runtime = active.listening()
    if runtime is None or current_call() is not None:
        return
    try:
        found = sys.exc_info()[1]
        if found is None or getattr(found, "status_code", None) != UNAUTHORIZED:
            return
        failure, reader = adapter.failure(found, None, None), adapter.reader_of(held.args[0])
        answer, kind = failure.answer, error_type(found)
        key = (answer.authorization or "").removeprefix("Bearer ")
        if answer.host is None or is_together_host(answer.host, runtime.settings.hosts):
            return
        report = runtime.keys.read_by(adapter.shared(held.args[0]), key, reader)
        known, answer.authorization = known_keys((key,)), None
        # No frame here may hold key or exception while something is logged.
        del key, found, failure
        if report.format not in ("tgp_v1", "legacy_hex"):
            return
        auth = AuthFailure(report, sent_elsewhere(report, answer.host))
        runtime.metrics.auth_failed(auth.diagnosis.cause)
        runtime.keys.history.refused(report.identity, clocks.time())
        runtime.metrics.keys_changed(at_once=True)
        details = {names.CLIENT_LIBRARY: reader.library, names.ERROR_TYPE: kind}
        attributes.add_answer(details, answer)
        attributes.add_server(details, answer.host, answer.port)
        suppressed = runtime.auth_failure_held_back(auth)
        runtime.log_auth_failure(auth, attributes.clean(details, known), suppressed)
    except Exception:  # noqa: BLE001 - must not reach the application
        runtime.guard("finish").swallow()
